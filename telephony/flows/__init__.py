"""What a caller hears and chooses before they wait for a person: flows, their rules and their rows."""
