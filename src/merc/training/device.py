"""Where a training runs: the device by name, torch's random state and threads, and the processes of torchrun.

Several processes exist only where torchrun started them (``WORLD_SIZE`` above 1 in the environment). Each one trains on
its share of every batch; gradients are summed over all of them, so that they hold the same weights at every step.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from merc.nn.device import resolve

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

T = TypeVar("T")


def chosen_device(name: str) -> str:
    """The device of a name, as `merc.nn.device.resolve` finds it; under torchrun "cuda" is the GPU of this process.

    Args:
        name: "auto", "cpu", "cuda", "cuda:N" or "mps".

    Returns:
        A name that torch understands, such as "cuda:1".

    Raises:
        InputError: for a device that torch does not see on this machine.

    Example:
        >>> chosen_device("cpu")
        'cpu'
    """
    found = str(resolve(name))
    if found == "cuda" and processes().count > 1:
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return found


@contextmanager
def seeded(seed: int, *, threads: int) -> Iterator[None]:
    """Seed torch and set its CPU threads inside the block; random state and threads are restored after it.

    Args:
        seed: of torch's random numbers on every device.
        threads: CPU threads for torch.
    """
    import torch

    before = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def made_on_cpu() -> AbstractContextManager[Any]:
    """Inside the block, tensors without a device of their own are made on the CPU, whatever torch's default device."""
    import torch

    return nullcontext() if torch.get_default_device().type == "cpu" else torch.device("cpu")


def moved(batch: Any, device: str | torch.device) -> Any:
    """A batch on a device: anything with ``.to(device)``, or mappings, tuples, lists and dataclasses of such things.

    Strings, numbers and None are returned as they are.
    """
    if hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {name: moved(value, device) for name, value in batch.items()}
    if isinstance(batch, list | tuple):
        values = [moved(value, device) for value in batch]
        return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)  # a named tuple takes each
    if is_dataclass(batch) and not isinstance(batch, type):
        return replace(batch, **{one.name: moved(getattr(batch, one.name), device) for one in fields(batch)})
    return batch


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those of a training: ``rank`` from 0 to ``count`` - 1."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and judges."""
        return self.rank == 0

    def join(self, device: str) -> None:
        """Connect to the other processes: NCCL on GPUs, gloo elsewhere; nothing for one process alone.

        The group lasts until the interpreter ends, as torchrun's store cannot serve a second group.
        """
        import torch
        from torch import distributed

        if self.count == 1 or distributed.is_initialized():
            return
        # An optimiser imports this. Imported while there is a group, it keeps the group, whose threads then outlive it
        # and abort the process when they need the interpreter's lock at its end.
        import torch._dynamo

        if device.startswith("cuda"):
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        atexit.register(_leave)

    def wait(self) -> None:
        """Wait for all processes, so that what the first one wrote can be read."""
        if self.count > 1:
            from torch import distributed

            distributed.barrier()

    def shared(self, make: Callable[[], T]) -> T:
        """What the first process makes, in all processes; the others wait for it."""
        if self.count == 1:
            return make()
        from torch import distributed

        box = [make() if self.first else None]
        distributed.broadcast_object_list(box, src=0)
        return box[0]  # type: ignore[return-value]

    def copy_from_first(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors in place by those of the first process."""
        if self.count > 1:
            from torch import distributed

            for tensor in tensors:
                distributed.broadcast(tensor.detach(), src=0)

    def sum_gradients(self, parameters: Sequence[nn.Parameter], numbers: Sequence[float]) -> list[float]:
        """Sum the gradients of all processes in place, and some numbers with them.

        Args:
            parameters: in the same order in every process; one without a gradient anywhere keeps none.
            numbers: further values to sum, such as the units behind the gradients.

        Returns:
            The sums of the numbers.
        """
        if self.count == 1:
            return list(numbers)
        import torch
        from torch import distributed

        device = parameters[0].device
        has = torch.tensor([one.grad is not None for one in parameters], dtype=torch.float64, device=device)
        head = torch.cat([torch.tensor(list(numbers), dtype=torch.float64, device=device), has])
        distributed.all_reduce(head)
        for parameter, there in zip(parameters, head[len(numbers) :].tolist(), strict=True):
            if there:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                distributed.all_reduce(parameter.grad)
        return [float(number) for number in head[: len(numbers)].tolist()]


def _leave() -> None:
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def processes() -> Processes:
    """This process among those that torchrun started, by the environment: rank 0 of 1 where it started none."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    return Processes(int(os.environ.get("RANK", "0")), count) if count > 1 else Processes()
