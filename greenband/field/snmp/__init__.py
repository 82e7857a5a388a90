"""SNMP from the manager's side: a session with one agent, the coding of messages, and the security of version 3."""

from greenband.field.snmp.session import Access, NotWritable, Restarted, SnmpSession

__all__ = ["Access", "NotWritable", "Restarted", "SnmpSession"]
