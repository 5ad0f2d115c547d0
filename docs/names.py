"""What the site says of each public name: a heading to link to, the call, the docstring, and the table of its
parameters with types, defaults and units. It is what nbdev's `show_doc` shows, read from the package, so that
no notebook is executed for it."""
import ast
import functools
import importlib
import inspect
import re
from types import FunctionType
from fastcore.docments import docments
from nbdev.config import get_config
from nbdev.showdoc import showdoc_nm

EXPORTS = {'export', 'exports', 'exporti'}
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef


# ---- what exported cells define

def is_public(
    name:str, # `function`, `Class` or `Class.method`
)->bool:      # no part begins with an underscore
    "Whether a name is meant for others."
    return not any(part.startswith('_') for part in name.split('.'))

def methods_of(
    tree:ast.ClassDef, # a class
)->list:               # `Class.method`
    "The methods that a class defines and describes."
    return [f'{tree.name}.{o.name}' for o in tree.body if isinstance(o, FUNCTIONS) and ast.get_docstring(o)]

def defined_names(
    cell,     # a cell whose directives were read
)->list[str]: # functions, classes and methods, in the order of the cell
    "The public names that an exported cell defines."
    if cell.cell_type != 'code' or 'hide' in cell.directives_: return []
    if not EXPORTS & cell.directives_.keys(): return []
    names = []
    for tree in cell.parsed_() or []:
        if isinstance(tree, FUNCTIONS):
            found = showdoc_nm(tree)
            names += [found] if isinstance(found, str) else found
        elif isinstance(tree, ast.ClassDef):
            names += [tree.name, *methods_of(tree)]
    return list(dict.fromkeys(filter(is_public, names)))

def module_of(
    nb,   # a notebook whose directives were read
)->str:   # dotted; '' where it exports nothing
    "The module that a notebook is exported to."
    for cell in nb.cells:
        if 'default_exp' in cell.directives_:
            name = f"{get_config().lib_path.name}.{cell.directives_['default_exp'][0]}"
            return name.removesuffix('.__init__')
    return ''

def public_homes(
    names:dict, # as in `find_names`
)->dict:        # name: list of its one full name
    "What the package itself offers under a name is meant by it, whatever else is called so."
    package = importlib.import_module(get_config().lib_path.name)
    homes = {name: f'{getattr(package, name).__module__}.{name}' for name in package.__all__}
    return {name: [full] for name,full in homes.items() if full in names}

def find_names(
    nbs:list, # notebooks whose directives were read
)->dict:      # name, with and without its module: list of full names
    "What is documented on the site."
    names = {}
    for nb in nbs:
        module = module_of(nb)
        for name in dict.fromkeys(n for cell in nb.cells for n in defined_names(cell)):
            full = f'{module}.{name}'
            names.setdefault(name, []).append(full)
            names[full] = [full]
    return names | public_homes(names)


# ---- what is said of a name

def find_object(
    full:str, # module and name
    module:str,
):            # what is called so; the function of a property
    "A thing of the package."
    names = full.removeprefix(module+'.').split('.')
    found = functools.reduce(getattr, names, importlib.import_module(module))
    return getattr(found, 'fget', None) or getattr(found, 'func', None) or found

def type_text(
    anno, # an annotation
)->str:   # without modules
    "A type as a reader writes it."
    if anno is inspect.Parameter.empty or anno is None: return ''
    if anno is type(None): return ''    # guessed from a default, not said
    text = anno.__name__ if isinstance(anno, type) and not hasattr(anno, '__args__') else str(anno)
    return re.sub(r'\b\w+\.', '', text)

def value_text(
    value, # a default
)->str:    # short
    "A default as a reader writes it."
    if value is inspect.Parameter.empty: return ''
    text = getattr(value, '__name__', None) or repr(value)
    return text if len(text)<=60 else text[:57]+'...'

def code_text(
    text:str, # a type or a value
)->str:       # markdown for a cell of a table
    "Text set as code; a table's bars stay its own."
    return f"`{text}`".replace('|', r'\|') if text else ''

def comments_of(
    found, # function or class
)->dict:   # parameter: type, default, comment
    "What stands beside each parameter, and beside the fields of a dataclass that keywords are passed on to."
    try: return docments(found, full=True, returns=not isinstance(found, type))
    except OSError: target = found.__delwrap__    # an `__init__` that nobody wrote
    own = FunctionType(found.__code__, found.__globals__, found.__name__, found.__defaults__)
    own.__kwdefaults__,own.__annotations__ = found.__kwdefaults__, found.__annotations__
    owner = getattr(importlib.import_module(target.__module__), target.__qualname__.split('.')[0])
    rows = docments(owner, full=True, returns=False) | docments(own, full=True)
    order = [*inspect.signature(found).parameters, 'return']
    return {name: rows[name] for name in order if name in rows}

def parameters_table(
    found,    # function or class
)->str:       # markdown; '' where nobody said anything
    "The table of parameters: types, defaults, and what each is, with its unit or shape."
    rows = comments_of(found)
    rows = {k: v for k,v in rows.items() if k not in ('self', 'cls')}
    if not any(v['docment'] for v in rows.values()): return ''
    lines = ["| | Type | Default | |", "|:--|:--|:--|:--|"]
    for name,row in rows.items():
        if name == 'return' and not row['docment'] and not type_text(row['anno']): continue
        said = ' '.join((row['docment'] or '').split()).replace('|', r'\|')
        called = '*returns*' if name == 'return' else f'`{name}`'
        value = '' if name == 'return' else code_text(value_text(row['default']))
        lines.append(f"| {called} | {code_text(type_text(row['anno']))} | {value} | {said} |")
    return '\n'.join(lines)

class Short:
    "A default that is shown as `value_text` says."
    def __init__(self, value): self.value = value
    def __repr__(self): return value_text(self.value)

def call_text(
    name:str, # as it is shown
    found,    # what it names
)->str:       # `name(a, b=1)`
    "How it is called; types stand in the table."
    try: signature = inspect.signature(found)
    except (ValueError, TypeError): return name
    shown = []
    for key,p in signature.parameters.items():
        if key in ('self', 'cls'): continue
        default = p.empty if p.default is p.empty else Short(p.default)
        shown.append(p.replace(annotation=p.empty, default=default))
    return f"{name}{signature.replace(parameters=shown, return_annotation=signature.empty)}"

def label(
    full:str, # module and name
)->str:       # Sphinx's labels know no capitals: `Reach` and `reach` need two
    "What links to a name call it."
    return full if full == full.lower() else f'{full}-class'

def describe(
    full:str,   # module and name
    module:str, # dotted
    level:int,  # of the heading
)->str:         # markdown
    "What `show_doc` shows: a heading that others link to, the call, the docstring, the table."
    name,found = full.removeprefix(module+'.'), find_object(full, module)
    head = f"({label(full)})=\n{'#'*level} {name}"
    call = call_text(name, found)
    if call != name: head += f"\n\n```python\n{call}\n```"
    said = inspect.cleandoc(found.__doc__ or '')
    if said.startswith(f'{name}('): said = ''    # a dataclass without words of its own
    return '\n\n'.join(part for part in (head, said, parameters_table(found)) if part)
