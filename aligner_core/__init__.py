"""Sound, text and time: an acoustic model, its alignment with a text, and the timed tree that comes out."""
