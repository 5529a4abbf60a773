"""Side-by-side runs against peers, and their committed results."""
