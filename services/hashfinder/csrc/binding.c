/* The kernel's binding to Python, in the limited API of 3.11. `_native.pyi` documents it. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "kernel.h"

#include <string.h>

static int is_supported(const struct kernel_variant *variant)
{
    for (const char *const *feature = variant->features; *feature; feature++)
        if (!kernel_cpu_has(*feature))
            return 0;
    return 1;
}

static const struct kernel_variant *find_variant(const char *name)
{
    for (const struct kernel_variant *variant = kernel_variants; variant->name; variant++)
        if (!strcmp(variant->name, name) && is_supported(variant))
            return variant;
    PyErr_Format(PyExc_ValueError, "this CPU cannot run the kernel variant '%s'", name);
    return NULL;
}

/* Return a new tuple that takes over the references; NULL, with an exception, if one of them is. */
static PyObject *pair(PyObject *first, PyObject *second)
{
    PyObject *tuple = first && second ? PyTuple_New(2) : NULL;

    if (!tuple) {
        Py_XDECREF(first);
        Py_XDECREF(second);
        return NULL;
    }
    PyTuple_SetItem(tuple, 0, first);
    PyTuple_SetItem(tuple, 1, second);
    return tuple;
}

/* A converter for PyArg_ParseTuple, whose own would drop the bits above 64. */
static int to_position(PyObject *object, void *position)
{
    unsigned long long value = PyLong_AsUnsignedLongLong(object);

    *(uint64_t *)position = value;
    return !PyErr_Occurred();
}

static PyObject *scan_into(const struct kernel_variant *variant, const struct kernel_query *query,
                           uint64_t first, uint64_t last, const Py_buffer *buffer)
{
    size_t capacity = (size_t)buffer->len / sizeof(uint64_t);
    struct kernel_outcome outcome;

    if (query->length < 1 || query->length > KERNEL_TEXT_LENGTH)
        return PyErr_Format(PyExc_ValueError, "the pattern must have 1 to %d bytes",
                            KERNEL_TEXT_LENGTH);
    if (query->ideal_distance > query->result_distance) {
        PyErr_SetString(PyExc_ValueError, "the ideal distance must not be above the result distance");
        return NULL;
    }
    if (first > last) {
        PyErr_SetString(PyExc_ValueError, "the first position must not be above the last");
        return NULL;
    }
    if (capacity < 1 || (uintptr_t)buffer->buf % _Alignof(uint64_t)) {
        PyErr_SetString(PyExc_ValueError, "the buffer must have room for one position, and be aligned");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    outcome = variant->scan(query, first, last, buffer->buf, capacity);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("KnNIK", (unsigned long long)outcome.searched, (Py_ssize_t)outcome.count,
                         PyBool_FromLong(outcome.found), outcome.best_distance,
                         (unsigned long long)outcome.best_position);
}

static PyObject *scan(PyObject *module, PyObject *args)
{
    const char *name;
    struct kernel_query query;
    Py_ssize_t length;
    uint64_t first, last;
    Py_buffer buffer, halt;
    PyObject *outcome = NULL;
    (void)module;

    if (!PyArg_ParseTuple(args, "sy#IIO&O&Iw*z*:scan", &name, &query.pattern, &length,
                          &query.ideal_distance, &query.result_distance, to_position, &first,
                          to_position, &last, &query.best_distance, &buffer, &halt))
        return NULL;
    query.halt = halt.len ? halt.buf : NULL;
    const struct kernel_variant *variant = find_variant(name);
    query.length = length <= KERNEL_TEXT_LENGTH ? (unsigned)length : KERNEL_TEXT_LENGTH + 1;
    if (variant)
        outcome = scan_into(variant, &query, first, last, &buffer);
    PyBuffer_Release(&buffer);
    PyBuffer_Release(&halt);
    return outcome;
}

static PyObject *cpu_features(PyObject *module, PyObject *ignored)
{
    PyObject *present = PyFrozenSet_New(NULL);
    (void)module, (void)ignored;

    for (const struct kernel_variant *variant = kernel_variants; present && variant->name; variant++)
        for (const char *const *feature = variant->features; present && *feature; feature++) {
            if (!kernel_cpu_has(*feature))
                continue;
            PyObject *name = PyUnicode_FromString(*feature);
            if (!name || PySet_Add(present, name) < 0)
                Py_CLEAR(present);
            Py_XDECREF(name);
        }
    return present;
}

/* Return the names as a tuple of str. */
static PyObject *name_tuple(const char *const *names)
{
    Py_ssize_t count = 0;
    while (names[count])
        count++;
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; tuple && i < count; i++) {
        PyObject *name = PyUnicode_FromString(names[i]);
        if (!name || PyTuple_SetItem(tuple, i, name) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static int add_variants(PyObject *module)
{
    Py_ssize_t count = 0;
    while (kernel_variants[count].name)
        count++;
    PyObject *variants = PyTuple_New(count);
    for (Py_ssize_t i = 0; variants && i < count; i++) {
        PyObject *variant = pair(PyUnicode_FromString(kernel_variants[i].name),
                                 name_tuple(kernel_variants[i].features));
        if (!variant || PyTuple_SetItem(variants, i, variant) < 0)
            Py_CLEAR(variants);
    }
    int result = PyModule_AddObjectRef(module, "VARIANTS", variants);
    Py_XDECREF(variants);
    return result;
}

static PyMethodDef methods[] = {
    {"cpu_features", cpu_features, METH_NOARGS,
     "Return which of the features named in VARIANTS this CPU and this OS have."},
    {"scan", scan, METH_VARARGS,
     "Search the positions start to last; write the results, return what else was found."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_variants}, {0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
