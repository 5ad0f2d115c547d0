"""A device made up for tests: it calls itself `meta`, computes on the CPU, refuses tensors that are not on
it, as a GPU would, and keeps a list of everything that is carried to it or from it."""
import contextlib, importlib
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

ELSEWHERE = torch.device('meta')

class Far(torch.Tensor):
    "A tensor that lies elsewhere."
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held):
        return torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=ELSEWHERE, dispatch_sizes_strides_policy='sizes')

    def __init__(self, held):
        self.held = held

    def tolist(self):
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        "Questions about size and strides; all else is a matter of `_Carrying`."
        return func(*tree_map(_held, args), **tree_map(_held, kwargs or {}))

def _place(x):
    return 'there' if isinstance(x, Far) else 'here'

def _held(x):
    return x.held if isinstance(x, Far) else x

def _sent(x):
    return Far(x.resolve_conj())   # a wrapper does not show that what it holds is still to be conjugated

class _Carrying(TorchDispatchMode):
    "Computes, and writes down what is carried."
    def __init__(self):
        super().__init__()
        self.carried = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
        name,far = func.overloadpacket.__name__,[x for x in given if isinstance(x, Far)]
        to = kwargs.get('device')
        there = bool(far) if to is None else torch.device(to)==ELSEWHERE
        self._note(name, given, there)
        moves = name in ('copy_', '_to_copy')
        if far and not moves and any(x.ndim for x in given if not isinstance(x, Far)):
            raise RuntimeError(f"{func}: expected all tensors to be on one device")
        own = tree_map(_held, kwargs) | ({} if to is None else {'device': torch.device('cpu')})
        out = func(*tree_map(_held, args), **own)
        changed = [x for x in far if out is x.held]       # an operation in place gives back what it was given
        if changed: return changed[0]
        return tree_map(lambda x: _sent(x) if there and isinstance(x, torch.Tensor) else x, out)

    def _note(self, name, given, there):
        if name=='_local_scalar_dense' and isinstance(given[0], Far):
            self.carried.append(('out', ()))
        if name=='_to_copy' and _place(given[0])!=('there' if there else 'here'):
            self.carried.append(('in' if there else 'out', tuple(given[0].shape)))
        if name=='copy_' and _place(given[0])!=_place(given[1]):
            self.carried.append(('in' if isinstance(given[0], Far) else 'out', tuple(given[1].shape)))

@contextlib.contextmanager
def elsewhere(monkeypatch):
    "Inside, `ELSEWHERE` is a device that computes; yields the list of what was carried, `('in', shape)`."
    autocast = torch.autocast
    monkeypatch.setattr(
        torch, 'autocast',
        lambda kind, *args, **kwargs: autocast('cpu' if kind=='meta' else kind, *args, **kwargs))
    adam = importlib.import_module('torch.optim.adam')
    monkeypatch.setattr(adam, '_device_dtype_check_for_fused', lambda *args, **kwargs: None)
    # inference mode leaves `to` whole, which would hide transfers
    monkeypatch.setattr(torch, 'inference_mode', torch.no_grad)
    with _Carrying() as mode:
        yield mode.carried
