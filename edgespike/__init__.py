"""Deploy frugal neural networks exactly, and know what they cost."""
