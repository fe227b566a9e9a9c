"""What goes wrong, by who can mend it."""


class MedPatchError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(MedPatchError):
    """The configuration asks for something impossible; change the configuration."""


class DivergedError(ConfigError):
    """A training ran away from every solution; lower its learning rate."""


class RawDataError(MedPatchError):
    """A raw file is absent, empty, truncated or of another shape; look at that file."""


class ContractError(MedPatchError):
    """A written artefact breaks what the next step relies on; look at the step that wrote it."""


class CheckpointError(MedPatchError):
    """A checkpoint is absent, incomplete or belongs to other data."""


class ServiceError(MedPatchError):
    """A server that the run needs (Prefect, MLflow) is down, stays silent, or its store is not usable."""


class ServerLostError(ServiceError):
    """The Prefect server stopped answering in the middle of a run."""


class ChildRunError(MedPatchError):
    """A flow run that this one waited for failed, crashed or was cancelled; look at that one."""


class BusyError(MedPatchError):
    """Another process is at work on the same thing; wait for it."""


class ResourceError(MedPatchError):
    """The machine ran out of something: disk, memory, file handles."""
