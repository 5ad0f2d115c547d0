"""Things to click and to listen to; `weakse.app.Workbench` is loaded when it is first asked for."""

__all__ = ['Workbench']

def __getattr__(name):
    "A public name, from the module that it lives in. Raises `AttributeError` for another one."
    if name!='Workbench': raise AttributeError(f"weakse.app has no {name!r}; public is Workbench")
    from importlib import import_module
    return import_module('weakse.app.workbench').Workbench
