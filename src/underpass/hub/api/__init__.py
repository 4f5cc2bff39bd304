"""The REST API: one router per resource, each a thin file.

Each file exports `router: APIRouter` whose paths start at the resource (`/sessions/{session_id}`);
the app puts `/api` in front. Errors are raised as AppError and become problem documents.
Dependencies are in `underpass.hub.services`.
"""
