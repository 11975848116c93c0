"""The one history of the schema; numbered, linear. `walls.fence` puts every table behind its fence."""
