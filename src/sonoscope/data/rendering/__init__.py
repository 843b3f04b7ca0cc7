"""Music with exact labels: composed or read from MIDI, played by sound fonts or by addition, written as stems."""
