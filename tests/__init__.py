"""The tests. People: alice owns tenant A, bob is an agent, sue supervises, charlie is of tenant B."""
