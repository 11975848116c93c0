"""Who gets the next call. `strategy` decides and is pure; `floor` remembers who is there."""
