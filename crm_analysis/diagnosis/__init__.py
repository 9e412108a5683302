"""Diagnosis of the customer data: how complete and how valid they are (REQUIREMENTS D1, D2)."""
