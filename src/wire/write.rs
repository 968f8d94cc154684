/// What is left of a buffer that is being written from its front.
///
/// The buffer has the length of what goes into it: that was counted before.
pub(crate) struct Writer<'a>(pub(crate) &'a mut [u8]);

impl Writer<'_> {
    /// Writes the next bytes.
    ///
    /// # Panics
    /// More bytes than were counted.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let (field, rest) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        field.copy_from_slice(bytes);
        self.0 = rest;
    }
}
