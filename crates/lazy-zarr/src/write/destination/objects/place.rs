//! The place of an array in a store, and what lies there and above.

use crate::error::{Result, TargetError};
use crate::objects::{Store, both, for_each};
use crate::settings::WriteSettings;
use crate::staging::Claim;
use crate::store::check::{check_ancestor, check_existing, is_missing_group};
use crate::store::node::{
    Documents, PresentObject, group_in_store, node_with_documents, present_in_store,
};
use crate::target::{Target, store_prefix};

/// The place of an array in a store, whose target was checked.
pub(super) struct Place {
    /// The prefix of the keys of the array.
    pub(super) prefix: String,
    /// The prefixes of the groups that hold the array and that the target names, outermost first.
    pub(super) groups: Vec<String>,
}

/// A place that was checked, with what lies there.
pub(super) struct Checked {
    pub(super) place: Place,
    /// The present version of the array, if there is one.
    pub(super) present: Option<PresentObject>,
    pub(super) claims: Vec<Claim>,
}

impl Checked {
    /// Checks a target, and looks for the present version of the array and for claims, all at once.
    pub(super) fn check(
        settings: &WriteSettings,
        store: &dyn Store,
        path: &str,
        members: &[String],
    ) -> Result<Checked> {
        let prefix = store_prefix(path, members);
        let check = || Place::check(settings, store, path, members);
        let (checked, claims) = both(store, check, || Claim::list(store, &prefix));
        let (place, documents) = checked?;
        let present = with_known_keys(settings, documents.into_present(store)?)?;
        Ok(Checked { place, present, claims: claims? })
    }
}

impl Place {
    /// Checks a target. Returns the metadata documents there, too.
    pub(super) fn check(
        settings: &WriteSettings,
        store: &dyn Store,
        path: &str,
        members: &[String],
    ) -> Result<(Place, Documents)> {
        let target = &settings.target;
        let prefix = store_prefix(path, members);
        let groups = (0..members.len()).map(|n_members| store_prefix(path, &members[..n_members]));
        let groups: Vec<_> = groups.collect();
        // What is checked as a group is checked as an ancestor, too.
        let above = ancestors(&prefix).filter(|above| !groups.iter().any(|group| group == above));
        let mut looks: Vec<_> = groups.iter().map(|group| Look::Group(group)).collect();
        looks.extend(above.map(Look::Ancestor));
        let look_above = || {
            for_each(store, &looks, |look| match look {
                Look::Group(group) => group_in_store(store, group).map(Some),
                Look::Ancestor(above) => Documents::read(store, above)?.node(store),
            })
        };
        let (nodes, at_target) = both(store, look_above, || node_with_documents(store, &prefix));
        let (nodes, (node, documents)) = (nodes?, at_target?);
        for (look, above) in looks.iter().zip(nodes) {
            let (Look::Group(place) | Look::Ancestor(place)) = look;
            if let (Look::Group(_), Some(group)) = (look, above) {
                is_missing_group(target, group, &store.url(place))?;
            }
            check_ancestor(target, above, &store.url(place))?;
        }
        check_existing(target, node, settings.existing)?;
        Ok((Place { prefix, groups }, documents))
    }
}

/// A prefix above a target, whose node is checked before a write.
enum Look<'p> {
    /// A group that the target names.
    Group(&'p str),
    /// Another one.
    Ancestor(&'p str),
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
    with_known_keys(settings, present_in_store(store, prefix)?)
}

/// Checks that the keys of the chunks of the present version are known.
fn with_known_keys(
    settings: &WriteSettings,
    present: Option<PresentObject>,
) -> Result<Option<PresentObject>> {
    match present {
        Some(present) if present.keys.is_none() => {
            Err(TargetError::UnknownKeys { target: settings.target.to_string() }.into())
        }
        present => Ok(present),
    }
}

/// Checks the nodes above the target.
pub(super) fn check_ancestors(target: &Target, store: &dyn Store, prefix: &str) -> Result<()> {
    let above: Vec<_> = ancestors(prefix).collect();
    let nodes = for_each(store, &above, |above| Documents::read(store, above)?.node(store))?;
    let mut nodes = above.iter().zip(nodes);
    nodes.try_for_each(|(above, node)| check_ancestor(target, node, &store.url(above)))
}
