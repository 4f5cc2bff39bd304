"""The media types of documents, for the hub and for the reader. Imports nothing, to stay light."""

PDF = "application/pdf"
ZIP = "application/zip"
_OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX = _OFFICE + "wordprocessingml.document"
XLSX = _OFFICE + "spreadsheetml.sheet"
PPTX = _OFFICE + "presentationml.presentation"
ODT = "application/vnd.oasis.opendocument.text"
DOCUMENTS = frozenset({PDF, DOCX, XLSX, PPTX, ODT})

WHAT_WORKS = (
    "Pictures (PNG, JPEG, WebP, GIF), text and code, PDF, Word, Excel, PowerPoint and ODT work."
)
