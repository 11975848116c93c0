"""Rating: pure arithmetic (`rules`), the deck a tenant bought (`tariff`)."""
