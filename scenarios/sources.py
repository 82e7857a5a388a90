"""Where a foreign network comes from: a network file, a SUMO configuration, or an OpenStreetMap extract."""

from __future__ import annotations

import gzip
import math
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband import sumo
from greenband.errors import BadInput
from greenband.scenarios import trips

__all__ = ["Source", "choose", "from_config", "from_osm", "read_xml", "write_xml"]

OSM = "© OpenStreetMap contributors, ODbL 1.0"


@dataclass(frozen=True)
class Source:
    """What an import starts from. Times in s after midnight, None where the demand tells them."""

    network: Path
    routes: tuple[Path, ...] = ()
    additional: tuple[Path, ...] = ()
    begin_s: int | None = None
    end_s: int | None = None
    credit: str = ""


def choose(net: Path | None, sumocfg: Path | None, osm: Path | None, scratch: Path) -> Source:
    """The source that a user names; a network beside a configuration takes the place of the configuration's.

    Raises:
        BadInput: none is named, too many are, or one cannot be used.
    """
    if osm is not None and (net is not None or sumocfg is not None):
        raise BadInput("--osm makes the network: leave out NET and --sumocfg")
    if osm is not None:
        return from_osm(osm, scratch)
    if sumocfg is not None:
        source = from_config(sumocfg)
        return source if net is None else replace(source, network=net)
    if net is None:
        raise BadInput("nothing to import: name a .net.xml file, --sumocfg or --osm")
    return Source(net)


def from_config(path: Path) -> Source:
    """What a ``.sumocfg`` names: network, route files, additional files, begin and end.

    Raises:
        BadInput: it is missing, no configuration, or names no network.
    """
    root = read_xml(path, "a SUMO configuration")
    if root.tag not in ("configuration", "sumoConfiguration"):
        raise BadInput(f"{path}: not a SUMO configuration: its root is <{root.tag}>")
    values = {item.tag: item.get("value", item.get("v", "")) for item in root.iter() if item is not root}

    def named(*names: str) -> str:
        return next((values[name] for name in names if name in values), "")

    def files(*names: str) -> tuple[Path, ...]:
        return tuple(path.parent / part.strip() for part in named(*names).split(",") if part.strip())

    network = files("net-file", "net", "n")
    if not network:
        raise BadInput(f"{path}: net-file: the configuration names no network")
    begin, end = named("begin", "b"), named("end", "e")
    return Source(
        network[0],
        files("route-files", "routes", "r"),
        files("additional-files", "additional", "a"),
        math.floor(trips.seconds(begin)) if begin else None,
        math.ceil(trips.seconds(end)) if end and trips.seconds(end) > 0 else None,
    )


def from_osm(path: Path, scratch: Path) -> Source:
    """A network made by netconvert from an OpenStreetMap extract, in a scratch folder.

    The options are those that SUMO's manual recommends for OpenStreetMap
    (https://sumo.dlr.de/docs/Networks/Import/OpenStreetMap.html#recommended_netconvert_options).

    Raises:
        BadInput: the file is missing or netconvert refuses it.
    """
    if not path.is_file():
        raise BadInput(f"{path}: no such OpenStreetMap file")
    network = scratch / "osm.net.xml"
    options = ["--geometry.remove", "--roundabouts.guess", "--ramps.guess", "--junctions.join"]
    options += ["--tls.guess-signals", "--tls.discard-simple", "--tls.join", "--tls.default-type", "static"]
    types = sumo.home() / "data" / "typemap" / "osmNetconvert.typ.xml"
    options += ["--type-files", str(types)] if types.is_file() else []
    command = [sumo.binary("netconvert"), "--osm-files", str(path), "--output-file", str(network), *options]
    done = subprocess.run(command, capture_output=True, text=True, env=sumo.environment(), check=False)
    if done.returncode or not network.is_file():
        raise BadInput(f"{path}: netconvert makes no network of it: {trips.reason(done.stderr)}")
    return Source(network, credit=OSM)


def read_xml(path: Path, kind: str) -> ET.Element:
    """The root of an XML file, gzipped or not."""
    if not path.is_file():
        raise BadInput(f"{path}: no such file; it should be {kind}")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return ET.parse(file).getroot()
    except (OSError, EOFError, ET.ParseError) as error:
        raise BadInput(f"{path}: not {kind}: {error}") from error


def write_xml(root: ET.Element, path: Path) -> Path:
    """Write an XML file; returns its path."""
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path
