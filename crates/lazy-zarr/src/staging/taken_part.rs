//! The result of trying to take a part of a plan.

/// The result of trying to take a part of a plan.
pub(crate) enum TakenPart<H> {
    Taken(H),
    Held {
        holder: String,
        is_certain: bool,
    },
    /// The part is finished.
    Finished,
    /// The plan is gone: it was published or removed.
    Gone,
}

impl<H> TakenPart<H> {
    /// Converts what was taken.
    pub(super) fn map<T>(self, convert: impl FnOnce(H) -> T) -> TakenPart<T> {
        match self {
            TakenPart::Taken(held) => TakenPart::Taken(convert(held)),
            TakenPart::Held { holder, is_certain } => TakenPart::Held { holder, is_certain },
            TakenPart::Finished => TakenPart::Finished,
            TakenPart::Gone => TakenPart::Gone,
        }
    }
}
