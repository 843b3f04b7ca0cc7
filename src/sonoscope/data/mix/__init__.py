"""Windows and clips of several sounds: mixed as samples, or as powers from a bank of stems."""
