"""Speech enhancement and sound extraction learned from weak labels alone.

What most people need stands here under one name (`weakse.enhance`, `weakse.extract`, `weakse.detect`, ...)
and is loaded when it is first asked for: importing the package loads neither torch nor a module of ours."""

__version__ = "0.1.0"

# OpenMP reads this when torch is loaded, so it stands here, in front of every module: threads that wait for
# one another sleep. Spinning, they keep the core from the one they wait for, and a single busy core slows a
# training 5 to 20 times.
import os as _os
_os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

# where each public name lives, in the order of the sentence: a corpus is detected, mined, mixed, trained on,
# scored
_homes = {
    'core.params': ['Params'],
    'core.audio': ['load_audio', 'save_audio'],
    'core.loudness': ['mix_at_snr'],
    'corpora.corpus': ['Corpus', 'read_corpus'],
    'corpora.synth': ['synth_corpus'],
    'detectors.protocol': ['load_detector', 'detect'],
    'mining.anchors': ['find_anchor'],
    'mining.pairs': ['mine_pairs'],
    'models.unet': ['ConditionalUNet'],
    'models.selective': ['SelectiveNet'],
    'models.registry': ['load_system'],
    'training.loop': ['fit'],
    'inference.enhance': ['enhance'],
    'inference.extract': ['extract'],
    'inference.sequence': ['extract_sequence', 'condition_of'],
    'inference.mixer': ['Mixer'],
    'evaluation.metrics': ['score_pair'],
    'evaluation.scoring': ['score_folders'],
    'evaluation.tables': ['write_table1'],
}
_home = {name: module for module, names in _homes.items() for name in names}
__all__ = list(_home)

def __getattr__(name):
    "A public name, from the module that it lives in. Raises `AttributeError` for another one."
    if name not in _home:
        raise AttributeError(f"weakse has no {name!r}; public are {', '.join(_home)}")
    from importlib import import_module
    value = getattr(import_module(f'weakse.{_home[name]}'), name)
    globals()[name] = value
    return value

def __dir__():
    return sorted([*globals(), *_home])
