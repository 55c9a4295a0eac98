"""Speech made from phones: the acoustic model says how each 10 ms should sound, a vocoder makes the wave of it."""
