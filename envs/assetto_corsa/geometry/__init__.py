"""What is derived from a car's place on a track: gap, rays, curvature ahead, lap distance, on the road or not."""
