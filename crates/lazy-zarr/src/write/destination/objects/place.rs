//! The place of an array in a store, and what lies there and above.

use crate::error::{Result, TargetError};
use crate::objects::{Store, both, for_each};
use crate::settings::WriteSettings;
use crate::store::check::{check_ancestor, check_existing, is_missing_group};
use crate::store::node::{
    PresentObject, group_in_store, node_in_store, present_in_store, zarr_node_in_store,
};
use crate::target::{Target, store_prefix};

/// The place of an array in a store, whose target was checked.
pub(super) struct Place {
    /// The prefix of the keys of the array.
    pub(super) prefix: String,
    /// The prefixes of the groups that hold the array and that the target names, outermost first.
    pub(super) groups: Vec<String>,
}

impl Place {
    /// Checks a target, and looks for the present version of the array.
    pub(super) fn check_with_present(
        settings: &WriteSettings,
        store: &dyn Store,
        path: &str,
        members: &[String],
    ) -> (Result<Place>, Result<Option<PresentObject>>) {
        let check = || Place::check(settings, store, path, members);
        both(store, check, || present(settings, store, &store_prefix(path, members)))
    }

    /// Checks a target.
    pub(super) fn check(
        settings: &WriteSettings,
        store: &dyn Store,
        path: &str,
        members: &[String],
    ) -> Result<Place> {
        let target = &settings.target;
        let prefix = store_prefix(path, members);
        let groups = (0..members.len()).map(|n_members| store_prefix(path, &members[..n_members]));
        let groups: Vec<_> = groups.collect();
        let mut looks: Vec<_> = groups.iter().map(|group| Look::Group(group)).collect();
        // What is checked as a group is checked as an ancestor, too.
        let above = ancestors(&prefix).filter(|above| !groups.iter().any(|group| group == above));
        looks.extend(above.map(Look::Ancestor));
        looks.push(Look::Target(&prefix));
        let nodes = for_each(store, &looks, |look| match look {
            Look::Group(group) => group_in_store(store, group).map(Some),
            Look::Ancestor(above) => zarr_node_in_store(store, above),
            Look::Target(prefix) => node_in_store(store, prefix).map(Some),
        })?;
        for (look, node) in looks.iter().zip(nodes) {
            match (look, node) {
                (Look::Group(group), Some(node)) => {
                    is_missing_group(target, node, &store.url(group))?;
                }
                (Look::Target(_), Some(node)) => check_existing(target, node, settings.existing)?,
                (Look::Ancestor(place) | Look::Group(place) | Look::Target(place), node) => {
                    check_ancestor(target, node, &store.url(place))?;
                }
            }
        }
        Ok(Place { prefix, groups })
    }
}

/// A prefix whose node is checked before a write.
enum Look<'p> {
    /// A group that the target names.
    Group(&'p str),
    /// A node above the target.
    Ancestor(&'p str),
    Target(&'p str),
}

/// Returns the prefixes above a prefix, from the innermost one.
fn ancestors(prefix: &str) -> impl Iterator<Item = &str> {
    fn above(prefix: &str) -> Option<&str> {
        let path = prefix.strip_suffix('/')?;
        Some(&prefix[..path.rfind('/').map_or(0, |slash| slash + 1)])
    }
    std::iter::successors(above(prefix), |prefix| above(prefix))
}

/// Returns the present version of an array, if there is one.
pub(super) fn present(
    settings: &WriteSettings,
    store: &dyn Store,
    prefix: &str,
) -> Result<Option<PresentObject>> {
    match present_in_store(store, prefix)? {
        Some(present) if present.keys.is_none() => {
            Err(TargetError::UnknownKeys { target: settings.target.to_string() }.into())
        }
        present => Ok(present),
    }
}

/// Checks the nodes above the target.
pub(super) fn check_ancestors(target: &Target, store: &dyn Store, prefix: &str) -> Result<()> {
    let above: Vec<_> = ancestors(prefix).collect();
    let nodes = for_each(store, &above, |above| zarr_node_in_store(store, above))?;
    let mut nodes = above.iter().zip(nodes);
    nodes.try_for_each(|(above, node)| check_ancestor(target, node, &store.url(above)))
}
