"""Every error that crosses a room's border.

An error says whose fault it is and whether trying again can help by its type and its stable
`code`, never by its text. `message` is one sentence for a person, `hint` says what to do.

AppError
├── CallerError                   4xx: the request has to change
│   ├── InvalidRequest 400        malformed, or a value that makes no sense
│   │   └── ModelAmbiguous        several providers have a model of this name
│   ├── NotAuthenticated 401      no key, or one that is wrong, revoked or expired
│   ├── NotAllowed 403            the key is good and does not reach this far
│   ├── NotFound 404              also what a stranger gets: no difference to a wrong id
│   │   └── ModelNotFound
│   ├── Conflict 409              something that exists stands in the way
│   ├── TooLarge 413
│   ├── UnsupportedMedia 415      a file of a type that cannot be read
│   └── TooMany 429               over a limit; `retry_after_s` says for how long
├── ProviderError                 5xx: the model's side
│   ├── TunnelStopped 503         restart the session and its tunnel
│   ├── ModelLoading 503          wait: the server is starting or loading
│   ├── UpstreamUnreachable 502   the tunnel is up, the server does not answer
│   └── ProviderTimeout 504       the tunnel was lost for longer than its grace
├── HubStopping 503               the hub restarts: the same request again in a moment
├── StorageError 503              the hub cannot write (disk full, read-only, locked)
├── TunnelError                   never crosses the gateway: mapped to ProviderError there
│   ├── LocalProtocolError        our bug: the link is closed and the fault logged
│   ├── RemoteProtocolError       the peer's fault
│   │   ├── BadFrame              malformed, unknown, or out of place
│   │   ├── FrameTooBig
│   │   ├── WindowExceeded        more than the credit that was granted
│   │   └── UnknownStream
│   ├── LinkRefused               the peer will not have this link, now or ever
│   ├── StreamReset               this stream ended before its end, with a reason
│   └── ResumeExpired             the link was away for longer than its grace
├── LaunchError                   a session could not be started or looked after
│   ├── LaunchRejected 422        the scheduler said no; asking again is useless
│   ├── SchedulerSilent 503       no answer: unknown, never "dead"
│   └── JobLost 410               neither the queue nor the accounting knows the job
├── ConfigError                   names the setting, where its value came from and the mend
└── IllegalMove                   a state table was asked for a move that it does not have
"""

from __future__ import annotations

from typing import Any, ClassVar


class AppError(Exception):
    """Base of all errors that a person or a program may see.

    `fields` are further members of the error document (for instance `candidates`); they must
    be JSON values and must never hold a secret or anything that a user or a model wrote.
    """

    code: str = "internal"
    http_status: ClassVar[int] = 500
    is_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        retry_after_s: float | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_after_s = retry_after_s
        self.fields = fields
        if code is not None:
            self.code = code

    def sentence(self) -> str:
        """The message and, where there is one, the hint, as one line."""
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}: {self.message})"


# --- the caller's side -----------------------------------------------------------------------


class CallerError(AppError):
    """The request has to change before it can succeed."""

    code = "invalid_request"
    http_status = 400


class InvalidRequest(CallerError):
    """Malformed, or a value that makes no sense."""


class ModelAmbiguous(InvalidRequest):
    """Several providers have a model of this name; `candidates` lists the full ids."""

    code = "model_ambiguous"


class NotAuthenticated(CallerError):
    """No key or cookie, or one that is wrong, revoked or expired."""

    code = "not_authenticated"
    http_status = 401


class NotAllowed(CallerError):
    """The caller is known and may not do this."""

    code = "not_allowed"
    http_status = 403


class NotFound(CallerError):
    """Nothing of that name or id is visible to the caller."""

    code = "not_found"
    http_status = 404


class ModelNotFound(NotFound):
    """No visible provider has this model; `candidates` lists close names."""

    code = "model_not_found"


class Conflict(CallerError):
    """Something that exists stands in the way."""

    code = "conflict"
    http_status = 409


class TooLarge(CallerError):
    """The body is over the limit."""

    code = "too_large"
    http_status = 413


class UnsupportedMedia(CallerError):
    """A file of a type that cannot be read."""

    code = "file_type_unsupported"
    http_status = 415


class TooMany(CallerError):
    """Over a limit for now; `retry_after_s` says for how long."""

    code = "too_many_requests"
    http_status = 429
    is_retryable = True


# --- the model's side ------------------------------------------------------------------------


class ProviderError(AppError):
    """The provider cannot answer; the request itself may be perfectly good."""

    code = "provider_error"
    http_status = 502


class TunnelStopped(ProviderError):
    """The provider's tunnel is not running."""

    code = "tunnel_stopped"
    http_status = 503


class ModelLoading(ProviderError):
    """The model server is starting or loading its model."""

    code = "model_loading"
    http_status = 503
    is_retryable = True


class UpstreamUnreachable(ProviderError):
    """The tunnel is up and the model server does not answer."""

    code = "upstream_unreachable"
    http_status = 502
    is_retryable = True


class ProviderTimeout(ProviderError):
    """The tunnel was lost for longer than its grace."""

    code = "tunnel_lost"
    http_status = 504
    is_retryable = True


class HubStopping(AppError):
    """The hub is being stopped or restarted; what was asked through it ends with it."""

    code = "hub_stopping"
    http_status = 503
    is_retryable = True


class StorageError(AppError):
    """The hub cannot write just now; what it can serve without writing it still serves."""

    code = "storage_unavailable"
    http_status = 503
    is_retryable = True


# --- the tunnel ------------------------------------------------------------------------------


class TunnelError(AppError):
    """Something on the link; the gateway maps it to a ProviderError."""

    code = "tunnel_error"
    http_status = 502


class LocalProtocolError(TunnelError):
    """This side used the protocol wrongly: a bug of ours."""

    code = "local_protocol_error"
    http_status = 500


class RemoteProtocolError(TunnelError):
    """The peer broke the protocol; the carrier is closed."""

    code = "remote_protocol_error"


class BadFrame(RemoteProtocolError):
    """A frame that is malformed, unknown, or out of place."""

    code = "bad_frame"


class FrameTooBig(RemoteProtocolError):
    """A frame over the limit of its kind."""

    code = "frame_too_big"


class WindowExceeded(RemoteProtocolError):
    """More data than the credit that was granted."""

    code = "window_exceeded"


class UnknownStream(RemoteProtocolError):
    """A frame for a stream that was never opened."""

    code = "unknown_stream"


class LinkRefused(TunnelError):
    """The peer will not have this link. Not retryable: the `code` says why."""

    code = "link_refused"
    http_status = 403


class StreamReset(TunnelError):
    """A stream ended before its end. `reason` is a short stable word."""

    code = "stream_reset"

    def __init__(self, reason: str, message: str | None = None) -> None:
        super().__init__(message or f"The stream was reset: {reason}.")
        self.reason = reason


class ResumeExpired(TunnelError):
    """The link was away for longer than its grace, so its streams are gone."""

    code = "resume_expired"
    http_status = 504
    is_retryable = True


# --- sessions --------------------------------------------------------------------------------


class LaunchError(AppError):
    """A session could not be started or looked after."""

    code = "launch_failed"
    http_status = 502


class LaunchRejected(LaunchError):
    """The scheduler said no; asking again without a change is useless."""

    code = "launch_rejected"
    http_status = 422


class SchedulerSilent(LaunchError):
    """The scheduler did not answer: the job's state is unknown, not "dead"."""

    code = "scheduler_silent"
    http_status = 503
    is_retryable = True


class JobLost(LaunchError):
    """Neither the queue nor the accounting knows the job."""

    code = "job_lost"
    http_status = 410


# --- this process ----------------------------------------------------------------------------


class ConfigError(AppError):
    """A setting is wrong: the message names it, where it came from and the mend."""

    code = "config"


class IllegalMove(AppError):
    """A state table has no such move: a bug of ours, and the state stays as it was."""

    code = "illegal_move"
