"""A graph in other people's programs: as a torch module, as a NeuroBench model."""
