"""Jobs shared between processes, on this machine or on a cluster, that survive a worker's death."""
