from collections.abc import Mapping
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ci_server.domain.errors import UploadRefused, UploadTooLarge
from ci_server.intake.form import FIELDS, FILE, not_acceptable, unknown_field
from problem_details import Fault, Problem

LARGEST_FIELD = 64 * 1024
LARGEST_FIELDS = 1024 * 1024
MOST_PARTS = 1000
AROUND_THE_FILE = 2 * LARGEST_FIELDS
"""Bytes that a body may have beside the file: the fields, and what stands between the parts."""
_HOW = "send multipart/form-data with the zip in the field `file`: curl -F file=@project.zip"


class FileSink(Protocol):
    def __call__(self, data: bytes, /) -> None:
        """Takes what comes of the file; it need not be stored before this returns."""
        ...


class FormReader:
    """Reads a body of multipart/form-data that comes in parts; of the file nothing is kept here.

    Raises UploadRefused, UploadTooLarge, and Problem: 422 for fields, 415 for other bodies.
    """

    def __init__(self, content_type: str, take: FileSink, largest_file: int) -> None:
        self.fields = list[tuple[str, str]]()
        """The names and values that are complete, in their order."""
        self._take = take
        self._largest = largest_file
        self._left = largest_file
        self._body_left = largest_file + AROUND_THE_FILE
        self._fields_left = LARGEST_FIELDS
        self._parts_left = MOST_PARTS
        self._header = [b"", b""]
        self._disposition = b""
        self._name = ""
        self._value = bytearray()
        self._files = 0
        self._ended = False
        self._parser = self._parser_of(content_type)

    def feed(self, data: bytes) -> None:
        """Read on, with what comes next."""
        self._body_left -= len(data)
        if self._body_left < 0:
            raise too_large(self._largest)
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise UploadRefused(f"The body is not good multipart/form-data ({error}); {_HOW}") from None

    def finish(self) -> None:
        """There is no more."""
        if not self._ended:
            raise UploadRefused("The body ends before its last boundary; send it again, whole")
        if not self._files:
            raise UploadRefused(f"There is no file; {_HOW}")

    def _parser_of(self, content_type: str) -> MultipartParser:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            detail = "Send 'Content-Type: multipart/form-data; boundary=…', the zip in the field `file`."
            raise Problem(415, "Unsupported media type", detail, slug="unsupported-media-type")
        try:
            return MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._add_header(0, data[start:end]),
                    "on_header_value": lambda data, start, end: self._add_header(1, data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_value,
                    "on_part_data": self._add,
                    "on_part_end": self._end,
                    "on_end": self._end_all,
                },
            )
        except FormParserError as error:
            raise UploadRefused(f"The boundary is not good ({error}); {_HOW}") from None

    def _begin(self) -> None:
        self._disposition = b""
        self._parts_left -= 1
        if self._parts_left < 0:
            raise UploadTooLarge(f"A form has at most {MOST_PARTS:,} parts; leave some out")

    def _add_header(self, which: int, data: bytes) -> None:
        self._header[which] += data

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = [b"", b""]

    def _begin_value(self) -> None:
        options: Mapping[bytes, bytes] = parse_options_header(self._disposition)[1]
        self._name = options.get(b"name", b"").decode(errors="replace")
        self._value.clear()
        if not self._name:
            raise UploadRefused(f"A part has no name in its Content-Disposition; {_HOW}")
        if self._name not in FIELDS:
            raise not_acceptable([unknown_field(self._name)])
        self._files += self._name == FILE
        if self._files > 1:
            raise UploadRefused("The field `file` stands there more than once; send one zip")

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE:
            self._left -= end - start
            if self._left < 0:
                raise too_large(self._largest)
            self._take(data[start:end])
            return
        self._fields_left -= end - start
        if len(self._value) + end - start > LARGEST_FIELD:
            raise UploadTooLarge(
                f"The field `{self._name}` has more than {LARGEST_FIELD:,} bytes; shorten it"
            )
        if self._fields_left < 0:
            raise UploadTooLarge(f"The fields have more than {LARGEST_FIELDS:,} bytes together; shorten them")
        self._value += data[start:end]

    def _end(self) -> None:
        if self._name == FILE:
            return
        try:
            self.fields.append((self._name, self._value.decode()))
        except UnicodeDecodeError:
            raise not_acceptable([Fault(f"/body/{self._name}", "The value is not UTF-8")]) from None

    def _end_all(self) -> None:
        self._ended = True


def too_large(largest_file: int) -> UploadTooLarge:
    return UploadTooLarge(
        f"A zip has at most {largest_file:,} bytes; leave out what the tests do not need (.gitignore does)"
    )
