"""Controllers on the network: what they hold is read, and plans are downloaded to them so that nothing is half-written.

``inventory`` says which controllers there are; ``driver`` is how one is spoken to, whatever its protocol; ``download``
brings a plan to one of them, ``batch`` to many; ``journal`` keeps what was done.
"""
