//! A store that answers requests in a given order.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lazy_zarr::{
    ByteRange, MemoryStore, NoteTag, Object, ObjectInfo, ObjectRanges, PutCondition, Store,
    StoreError, Tag,
};

/// A request: its key, and its number among the requests for this key, counted from 0.
pub(crate) type Step = (&'static str, usize);

/// No step waits longer for the ones before it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A store that waits, and answers the requests of a script in its order. All others are answered
/// at once.
#[derive(Clone)]
pub(crate) struct ScriptedStore {
    inner: MemoryStore,
    script: Arc<[Step]>,
    has_tags: bool,
    responses: Responses,
    hook: Arc<dyn Fn(usize) + Send + Sync>,
    state: Arc<(Mutex<State>, Condvar)>,
}

/// The responses with whole objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Responses {
    /// One step.
    AtOnce,
    /// A step for the tag, and one for the bytes of the same object.
    TagFirst,
    /// A step for the tag of a response that breaks off, and one for another response.
    Repeated,
}

#[derive(Default)]
struct State {
    /// The number of requests for each key.
    counts: HashMap<String, usize>,
    /// The requests that were answered, in this order.
    answered: Vec<String>,
    /// The number of steps that were answered.
    n_steps: usize,
}

impl ScriptedStore {
    pub(crate) fn new(inner: MemoryStore, script: &[Step]) -> ScriptedStore {
        let hook = Arc::new(|_| ());
        let (responses, state) = (Responses::AtOnce, Arc::default());
        ScriptedStore { inner, script: script.into(), has_tags: true, responses, hook, state }
    }

    /// Calls a function before each step, and before the last step returns, with the number of steps
    /// that were answered.
    pub(crate) fn with_hook(self, hook: impl Fn(usize) + Send + Sync + 'static) -> ScriptedStore {
        ScriptedStore { hook: Arc::new(hook), ..self }
    }

    pub(crate) fn with_responses(self, responses: Responses) -> ScriptedStore {
        ScriptedStore { responses, ..self }
    }

    pub(crate) fn without_tags(self) -> ScriptedStore {
        ScriptedStore { has_tags: false, ..self }
    }

    /// Returns the keys of the requests since the last call, in the order of the answers.
    pub(crate) fn take_answered(&self) -> Vec<String> {
        std::mem::take(&mut self.state.0.lock().unwrap().answered)
    }

    fn answer<T>(&self, key: &str, answer: impl FnOnce() -> T) -> T {
        let (state, changed) = &*self.state;
        let step = {
            let mut state = state.lock().unwrap();
            let count = state.counts.entry(key.to_owned()).or_default();
            let n = *count;
            *count += 1;
            let step = self.script.iter().position(|step| *step == (key, n));
            if let Some(step) = step {
                let is_early = |state: &mut State| state.n_steps < step;
                let (_state, waited) =
                    changed.wait_timeout_while(state, LONGEST_WAIT, is_early).unwrap();
                assert!(!waited.timed_out(), "step {step} of {:?} waits", self.script);
            }
            step
        };
        if let Some(step) = step {
            (self.hook)(step);
        }
        let answer = answer();
        if step.is_some_and(|step| step + 1 == self.script.len()) {
            (self.hook)(self.script.len());
        }
        let mut state = state.lock().unwrap();
        state.n_steps += usize::from(step.is_some());
        state.answered.push(key.to_owned());
        changed.notify_all();
        answer
    }
}

impl Store for ScriptedStore {
    fn get(&self, key: &str) -> Result<Object, StoreError> {
        let object = self.answer(key, || self.inner.get(key))?;
        Ok(Object { tag: object.tag.filter(|_| self.has_tags), ..object })
    }

    fn get_noting(&self, key: &str, begun: NoteTag) -> Result<Object, StoreError> {
        if self.responses == Responses::AtOnce {
            let object = self.get(key)?;
            begun(object.tag.clone());
            return Ok(object);
        }
        let first = self.answer(key, || self.inner.get(key))?;
        begun(first.tag.clone().filter(|_| self.has_tags));
        if self.responses == Responses::TagFirst {
            self.answer(key, || ());
            return Ok(Object { tag: first.tag.filter(|_| self.has_tags), ..first });
        }
        let object = self.get(key)?;
        begun(object.tag.clone());
        Ok(object)
    }

    fn get_ranges(&self, key: &str, ranges: &[ByteRange]) -> Result<ObjectRanges, StoreError> {
        let read = self.answer(key, || self.inner.get_ranges(key, ranges))?;
        Ok(ObjectRanges { tag: read.tag.filter(|_| self.has_tags), ..read })
    }

    fn head(&self, key: &str) -> Result<ObjectInfo, StoreError> {
        let info = self.answer(key, || self.inner.head(key))?;
        Ok(ObjectInfo { tag: info.tag.filter(|_| self.has_tags), ..info })
    }

    fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<Option<Tag>, StoreError> {
        self.inner.put(key, bytes, condition)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.inner.list(prefix)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.inner.delete(key)
    }

    fn concurrency(&self) -> Option<usize> {
        Some(4)
    }
}
