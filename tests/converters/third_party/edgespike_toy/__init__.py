"""A torch module and a file format that edgespike does not know, with their converters."""
