"""Landmarks drawn by the suite: parametric buildings and natural sights, photographed, released as GLDv2 is."""
