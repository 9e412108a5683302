"""Portraits of the tiers: who the customers are and how they behave (REQUIREMENTS P1, P2)."""
