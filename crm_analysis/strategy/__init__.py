"""Strategy per tier (REQUIREMENTS T): what is done for whom, how much work that plans, and what was done."""
