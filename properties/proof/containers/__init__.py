"""Unknown maps, queues, lists and sets of any size, and the laws that hold of their elements."""
