"""DVC's YAML by libyaml, as YAML 1.2 has it: DVC reads and writes its lock for every stage in pure Python, nine tenths of
what a graph of stand-ins takes. What a person wrote and DVC changes keeps its comments: that stays DVC's own."""
import functools, pickle
import yaml
from ruamel.yaml.resolver import implicit_resolvers

def _as_of_1_2(cls):
    "The class with the plain values of YAML 1.2, by the patterns of DVC's library."
    of = [(tag, pattern, first) for versions,tag,pattern,first in implicit_resolvers if (1, 2) in versions]
    cls.yaml_implicit_resolvers = {
        c: [(tag, pattern) for tag,pattern,first in of if c in first] for c in {c for *_,first in of for c in first}}
    return cls

def _whole(loader, node):
    said = loader.construct_scalar(node).replace('_', '')
    return int(said, 0 if said.lstrip('+-')[:2] in ('0b', '0o', '0x') else 10)

@_as_of_1_2
class Loader(yaml.CSafeLoader):
    "Reads."

@_as_of_1_2
class Dumper(yaml.CSafeDumper):
    "Writes, what occurs twice twice."
    def ignore_aliases(self, _):
        return True

Loader.add_constructor('tag:yaml.org,2002:int', _whole)
Dumper.add_multi_representer(dict, lambda dumper,data: dumper.represent_mapping('tag:yaml.org,2002:map', data.items()))

@functools.lru_cache
def _known(text):
    "What a text says, of which everybody gets a copy: one run reads its parameters hundreds of times."
    return pickle.dumps(yaml.load(text, Loader) or {})

def parse(text, path, typ='safe'):
    "In place of DVC's `parse_yaml`."
    if typ!='safe' and not str(path).endswith('.lock'): return _parse(text, path, typ)
    try: return pickle.loads(_known(text))
    except yaml.YAMLError: return _parse(text, path, typ)   # which says what is wrong in DVC's words

def dump(data, stream):
    "In place of DVC's `_dump`."
    if type(data) is not dict: return _dump(data, stream)   # with comments
    yaml.dump(data, stream, Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True)

def install():
    "Let DVC, of which nothing is loaded yet, use these."
    global _parse,_dump
    from dvc.utils import serialize
    _parse,_dump = serialize._yaml.parse_yaml,serialize._yaml._dump
    serialize.parse_yaml = serialize._yaml.parse_yaml = parse
    serialize._yaml._dump = dump
