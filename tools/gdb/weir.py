"""
weir.py -- the fibers of a program that uses weir, in gdb.

    (gdb) source tools/gdb/weir.py
    (gdb) weir fibers             every fiber: its name, state, what it waits for
    (gdb) weir bt                 and its backtrace
    (gdb) weir bt NAME|ADDRESS    of some of them

Reads only, so it serves for core files too.  Needs the debug information of
libweir (-g); x86-64 and aarch64, with weir's own switch or libc's.
"""

import gdb
import gdb.unwinder


def type_of(name):
    return gdb.lookup_type("struct " + name)


def entry(link, name, member):
    """The struct whose `member` is the list node `link`."""
    kind = type_of(name)
    offset = next(f.bitpos for f in kind.fields() if f.name == member) // 8
    at = link.cast(gdb.lookup_type("char").pointer()) - offset
    return at.cast(kind.pointer())


def listed(head, name, member):
    link = head["next"]
    while link != head.address:
        yield entry(link, name, member)
        link = link["next"]


def loops():
    """(thread, loop) for each thread that has one."""
    before = gdb.selected_thread()
    found = []
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        try:
            loop = gdb.parse_and_eval("weir__loop_here")
        except gdb.error:
            continue
        if int(loop):
            found.append((thread, loop))
    before.switch()
    return found


def fibers_below(node, depth=0):
    """(depth, scope, fiber), depth first, from a cancel node on."""
    if int(node["kind"]) == 0:
        scope = node.cast(type_of("weir_scope").pointer())
        for fiber in listed(scope["fibers"], "weir__fiber", "member"):
            yield depth, scope, fiber
    for child in listed(node["children"], "weir__node", "sibling"):
        yield from fibers_below(child, depth + 1)


def name_of(fiber):
    return fiber["name"].string() or "-"


STATES = ["ready", "running", "parked", "parked", "done"]


def describe(fiber):
    state = STATES[int(fiber["state"])]
    text = "fiber %#x %s: %s" % (int(fiber), name_of(fiber), state)
    if state == "parked" and int(fiber["waits"]):
        text += " in %s %#x" % (fiber["waits"].string(), int(fiber["waits_on"]))
    return text + ", runs " + str(fiber["fn"]).split(" ", 1)[-1].strip("<>")


# --- where a parked fiber is ---------------------------------------------


def word(at):
    return int(gdb.Value(at).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


def byte(at):
    return int(gdb.Value(at).cast(gdb.lookup_type("unsigned char").pointer()).dereference())


def saved_x86(sp):
    """
    As after the last instruction of the switch, where the compiler's own
    unwind information holds: 1: pop rbx; pop rbp; add $128, rsp.
    """
    label = word(sp)
    after = label + 2 + (4 if byte(label + 3) == 0x83 else 7)
    return {"rip": after, "rsp": sp + 24 + 128, "rbx": word(sp + 8), "rbp": word(sp + 16)}


def saved_x86_ucontext(sp):
    gregs = sp + 40
    names = {"rbp": 10, "rbx": 11, "rsp": 15, "rip": 16, "r12": 4, "r13": 5, "r14": 6, "r15": 7}
    return {n: word(gregs + 8 * i) for n, i in names.items()}


def saved_aarch64(sp):
    return {"pc": word(sp + 16), "sp": sp + 32, "x29": word(sp), "x30": word(sp + 8)}


def by_libc():
    try:
        gdb.parse_and_eval("WEIR__SWITCH_ROOM")
    except gdb.error:
        return False
    return True


def machine():
    """(program counter, stack pointer, reader of what a switch has saved)"""
    arm = "aarch64" in gdb.selected_inferior().architecture().name()
    if arm:
        return "pc", "sp", None if by_libc() else saved_aarch64
    return "rip", "rsp", saved_x86_ucontext if by_libc() else saved_x86


class Id:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class FiberUnwinder(gdb.unwinder.Unwinder):
    """
    While a fiber is being looked at, what called the innermost frame of the
    thread is the fiber, stopped where it left.  Its stack is another one, so
    the innermost frame is given a place just below it.
    """

    def __init__(self):
        super().__init__("weir")
        self.saved, self.begun = None, False

    def __call__(self, pending):
        if self.saved is None or self.begun:
            return None
        self.begun = True
        pc, sp, _ = machine()
        types = {r: pending.read_register(r).type for r in self.saved}
        at = pending.read_register(pc)
        below = gdb.Value(self.saved[sp] - 16).cast(types[sp])
        info = pending.create_unwind_info(Id(below, at))
        for register, value in self.saved.items():
            info.add_saved_register(register, gdb.Value(value).cast(types[register]))
        return info

    def frames(self, saved):
        self.saved, self.begun = saved, False
        gdb.invalidate_cached_frames()
        try:
            frame = gdb.newest_frame().older()
            while frame is not None:
                yield frame
                frame = frame.older()
        finally:
            self.saved = None
            gdb.invalidate_cached_frames()


UNWINDER = FiberUnwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


def show(frames):
    for n, frame in enumerate(frames):
        name, sal = frame.name(), frame.find_sal()
        line = "    #%-2d %#x in %s" % (n, frame.pc(), name or "??")
        if sal.symtab:
            line += " at %s:%d" % (sal.symtab.filename, sal.line)
        print(line)
        if name == "fiber_entry":
            break


def of_thread():
    frame = gdb.newest_frame()
    while frame is not None:
        yield frame
        frame = frame.older()


def backtrace(loop, fiber):
    _, _, reader = machine()
    if fiber == loop["current"]:
        show(of_thread())
    elif reader is None:
        print("    not known for this switch on this machine")
    else:
        if int(fiber["state"]) == 0 and not int(fiber["waits"]):
            print("    has not run")
        else:
            show(UNWINDER.frames(reader(int(fiber["sp"]))))


# --- commands ------------------------------------------------------------


class Weir(gdb.Command):
    """The fibers of weir: weir fibers, weir bt [NAME|ADDRESS]."""

    def __init__(self):
        super().__init__("weir", gdb.COMMAND_STACK, prefix=True)


def each(wanted, action):
    before = gdb.selected_thread()
    shown = 0
    for thread, loop in loops():
        thread.switch()
        for depth, _, fiber in fibers_below(loop["top"]["node"].address):
            if wanted and wanted not in (name_of(fiber), "%#x" % int(fiber)):
                continue
            print("%s%s" % ("  " * depth, describe(fiber)))
            action(loop, fiber)
            shown += 1
    before.switch()
    if not shown:
        print("no such fiber")


class Fibers(gdb.Command):
    """weir fibers: every fiber, what it does and what it waits for."""

    def __init__(self):
        super().__init__("weir fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        each(argument.strip(), lambda loop, fiber: None)


class Backtrace(gdb.Command):
    """weir bt [NAME|ADDRESS]: the backtrace of every fiber, or of some."""

    def __init__(self):
        super().__init__("weir bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        each(argument.strip(), backtrace)


Weir()
Fibers()
Backtrace()
