"""Bringing a run's results to the operator: from this machine, or through the proxy."""

from __future__ import annotations

import json
import re
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fed_credit.config.operator import OperatorSpec
from fed_credit.deploy.channel import explain, operator_context
from fed_credit.errors import ArtefactError, DeploymentError
from fed_credit.files import replacing, write_json

if TYPE_CHECKING:
    import httpx

# Beside what was brought: whose it is.
ORIGIN = "deployment.json"
_MODEL, _MODEL_FILE, _CHECKPOINT = "model", "model.fcm", "checkpoint.safetensors"
_ENTRY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_DEEPEST = 4
_TIMEOUT_S = 60.0


def bring_results(operator: OperatorSpec, name: str, run_id: int, out: Path) -> Path:
    """Return the folder of a completed run's results on this machine, fetching it if need be.

    Parameters
    ----------
    operator : OperatorSpec
        Where the run was.
    name : str
        Of the run.
    run_id : int
        Flower's number.
    out : Path
        Folder for what is fetched; ``NAME`` in it is replaced in one step.

    Returns
    -------
    Path
        Where it lies: the SuperLink's own folder if it runs on this machine, else ``out/NAME``.

    Raises
    ------
    DeploymentError
        If it cannot be fetched, is damaged, or ``out/NAME`` holds something else.
    """
    own = operator.runs / name
    if own.is_dir() and superlink_is_here(operator):
        return own
    folder = out / name
    if folder.exists() and _origin(folder) != str(run_id):
        raise DeploymentError(
            f"The results of run '{name}' were not fetched, because {folder} holds something else;"
            f" fetch them with: fed-credit deploy run --follow {run_id} --out FOLDER"
        )
    _fetch(operator, name, run_id, folder)
    return folder


def fetch_text(operator: OperatorSpec, path: str) -> str | None:
    """Return a text file of the runs' folder through the proxy.

    Parameters
    ----------
    operator : OperatorSpec
        Where.
    path : str
        Below the runs' folder.

    Returns
    -------
    str or None
        ``None`` if there is none.

    Raises
    ------
    DeploymentError
        If the proxy cannot be reached or refuses.
    """
    import httpx

    with _client(operator) as client:
        try:
            answer = client.get(f"/runs/{path}")
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise explain(error, operator) from None
    return answer.text


def superlink_is_here(operator: OperatorSpec) -> bool:
    """Return whether the SuperLink, and with it the runs' folder, is on this machine.

    Parameters
    ----------
    operator : OperatorSpec
        Who listens where it says, and shows the consortium's certificate, is the SuperLink.

    Returns
    -------
    bool
    """
    context = ssl.create_default_context(cafile=str(operator.ca))
    place = (operator.superlink.host, operator.superlink.port)
    try:
        with (
            socket.create_connection(place, timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=place[0]),
        ):
            return True
    except OSError:
        return False


def _origin(folder: Path) -> str | None:
    try:
        found: Any = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        return str(found["run"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _client(operator: OperatorSpec) -> httpx.Client:
    import httpx

    return httpx.Client(
        base_url=f"https://{operator.proxy.address}",
        verify=operator_context(operator),
        timeout=_TIMEOUT_S,
    )


def _fetch(operator: OperatorSpec, name: str, run_id: int, folder: Path) -> None:
    import httpx

    from fed_credit.artefact import load_artefact
    from fed_credit.model_file.archive import open_model_file

    with replacing(folder) as temporary, _client(operator) as client:
        try:
            _fetch_folder(client, name, temporary, _DEEPEST)
            load_artefact(temporary / _MODEL)
            if (temporary / _MODEL_FILE).exists():  # a run that ended earlier has none
                open_model_file(temporary / _MODEL_FILE)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                raise DeploymentError(
                    f"Run '{name}' has left no results at {operator.proxy.address}; its log says"
                    f" what happened: fed-credit deploy run --follow {run_id} --log"
                ) from None
            raise explain(error, operator) from None
        except httpx.HTTPError as error:
            raise explain(error, operator) from None
        except (ArtefactError, ValueError, LookupError):  # the last two of a listing
            raise DeploymentError(
                f"What came of run '{name}' is incomplete or not what its manifest says; fetch it"
                f" again with: fed-credit deploy run --follow {run_id}"
            ) from None
        write_json(
            temporary / ORIGIN,
            {"run": str(run_id), "name": name, "from": operator.proxy.address},
        )


def _fetch_folder(client: httpx.Client, path: str, folder: Path, depth: int) -> None:
    """Fetch what nginx lists, but the checkpoint, which only the SuperLink can go on with."""
    listing = client.get(f"/runs/{path}/")
    listing.raise_for_status()
    folder.mkdir()
    for entry in listing.json():
        name, kind = str(entry["name"]), entry["type"]
        if name == _CHECKPOINT or _ENTRY.fullmatch(name) is None:
            continue
        if kind == "directory" and depth > 0:
            _fetch_folder(client, f"{path}/{name}", folder / name, depth - 1)
        elif kind == "file":
            with client.stream("GET", f"/runs/{path}/{name}") as answer:
                answer.raise_for_status()
                with (folder / name).open("wb") as file:
                    for piece in answer.iter_bytes():
                        file.write(piece)
