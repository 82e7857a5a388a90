"""Decision makers behind one Controller protocol: learned and classical."""
