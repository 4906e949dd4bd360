"""The pictures of a comparison, each for light and dark pages, and for pages as narrow as a phone."""
