"""The hub's memory on disk: what must outlive a restart, and nobody else imports SQLAlchemy.

    url ──> Database ──> one repository per aggregate ──> frozen records

- **Database** (`database.py`): engine, pool and the one border where the driver's errors become ours.
- **Record**: a frozen dataclass that equals one row; what repositories take and return.
- **Repository** (`repository.py`, one file per aggregate): async verbs on records, each its own
  transaction; a batch is one transaction, never a network call inside.
- **Store** (`opening.py`): all repositories over one database; `open` brings the schema up to date.

SQLite (WAL) and PostgreSQL run the same statements; times are unix seconds; ids come from the
caller, sort by time, and are the cursors of lists.
"""

from underpass.store.answers import RunBatch
from underpass.store.audit import AuditRecord
from underpass.store.browser_sessions import BrowserSessionRecord
from underpass.store.chats import ChatRecord
from underpass.store.clusters import ClusterRecord
from underpass.store.device_codes import DeviceCodeRecord, DeviceCodeStatus
from underpass.store.endpoints import EndpointRecord
from underpass.store.files import FileKind, FileRecord
from underpass.store.groups import GroupRecord
from underpass.store.identities import IdentityRecord
from underpass.store.keys import KeyRecord
from underpass.store.limits import LimitsRecord
from underpass.store.messages import MessageRecord
from underpass.store.one_time_links import LinkPurpose, OneTimeLinkRecord
from underpass.store.openid_flows import OpenIdFlowRecord
from underpass.store.opening import Store, is_there, open
from underpass.store.presets import PresetRecord
from underpass.store.providers import Permission, ProviderRecord, ProviderType, SubjectKind
from underpass.store.repository import Page
from underpass.store.run_events import RunEventRecord
from underpass.store.runs import RunRecord
from underpass.store.search import Hit, words_of
from underpass.store.second_factors import SecondFactorRecord
from underpass.store.session_events import SessionEventRecord
from underpass.store.session_logs import SessionLogLine
from underpass.store.sessions import SessionRecord
from underpass.store.shares import ShareRecord
from underpass.store.tables import clean_text
from underpass.store.tunnels import TunnelRecord
from underpass.store.usage import UsageRecord
from underpass.store.users import UserRecord

__all__ = [
    "AuditRecord",
    "BrowserSessionRecord",
    "ChatRecord",
    "ClusterRecord",
    "DeviceCodeRecord",
    "DeviceCodeStatus",
    "EndpointRecord",
    "FileKind",
    "FileRecord",
    "GroupRecord",
    "Hit",
    "IdentityRecord",
    "KeyRecord",
    "LimitsRecord",
    "LinkPurpose",
    "MessageRecord",
    "OneTimeLinkRecord",
    "OpenIdFlowRecord",
    "Page",
    "Permission",
    "PresetRecord",
    "ProviderRecord",
    "ProviderType",
    "RunBatch",
    "RunEventRecord",
    "RunRecord",
    "SecondFactorRecord",
    "SessionEventRecord",
    "SessionLogLine",
    "SessionRecord",
    "ShareRecord",
    "Store",
    "SubjectKind",
    "TunnelRecord",
    "UsageRecord",
    "UserRecord",
    "clean_text",
    "is_there",
    "open",
    "words_of",
]
