"""Signal controllers that speak NTCIP over SNMP: the driver, its transactions, what a controller tells, and trials."""

from greenband.field.ntcip.driver import NtcipDriver, wanted

__all__ = ["NtcipDriver", "wanted"]
