//! Hears of a fuzzing run.

use volact::capture::Dialogue;
use volact::peer::fuzz::{Ears, Found, State};

/// All that was heard.
pub(crate) struct Heard<P> {
    /// What was found, as often as it was told.
    pub(crate) found: Vec<Found<P>>,
    /// The state behind each epoch.
    pub(crate) epochs: Vec<State<P>>,
}

impl<P> Default for Heard<P> {
    fn default() -> Self {
        Self { found: Vec::new(), epochs: Vec::new() }
    }
}

impl<P: Clone> Ears<P> for Heard<P> {
    fn found(&mut self, found: &Found<P>, _: &[Dialogue]) {
        self.found.push(found.clone());
    }

    fn epoch(&mut self, state: &State<P>) {
        self.epochs.push(state.clone());
    }
}
