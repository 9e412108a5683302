"""Segmentation: RFM scores and named segments, the eight types, lifecycle stages (REQUIREMENTS S1, S2)."""
