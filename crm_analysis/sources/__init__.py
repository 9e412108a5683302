"""From files to features: the data contract, reading, the door in time, one row per customer, one per quarter."""
