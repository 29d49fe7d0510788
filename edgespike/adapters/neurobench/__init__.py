"""A graph as torch layers that NeuroBench's hooks find and count."""
