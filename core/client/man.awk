# Makes llm_tracer(3) out of the comments of llm_tracer.h and llm_tracer_scope.h, in POSIX awk:
#     awk -f man.awk -v version=0.1.0 -v links=FOLDER llm_tracer.h llm_tracer_scope.h > llm_tracer.3
# Writes into FOLDER a page NAME.3 for every function that sends the reader to llm_tracer(3).
#
# What it expects of a header: the first comment is the description; "--- title ---" begins a
# section; a comment at the start of a line belongs to the declarations up to the next blank line or
# comment. In a comment, five spaces begin an example and "- " an item. Of the second header only
# comments before a macro without a trailing underscore, before #ifdef __cplusplus and before a
# namespace are for readers.

function escape(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/\^/, "\\(ha", text)
    gsub(/~/, "\\(ti", text)
    gsub(/`/, "\\(ga", text)
    if (text ~ /^[.']/)
        text = "\\&" text
    return text
}

# Names that a reader may look up stand out, and what stands between backquotes.
function prose(text) {
    text = escape(text)
    gsub(/(llmt|LLMT|TRACER|TRACING)_[A-Za-z_]*[A-Za-z]/, "\\%\\fB&\\fP", text)
    while (match(text, /\\\(ga[^\\]([^\\]|\\-)*\\\(ga/))
        text = substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART + 4, RLENGTH - 8) "\\fP" substr(text, RSTART + RLENGTH)
    return text
}

function out(line) {
    body[++lines] = line
}

function end_block() {
    if (block == "example")
        out(".EE")
    block = ""
}

# The lines of the comment now in comment[1..comments].
function print_comment(i, line) {
    block = ""
    for (i = 1; i <= comments; i++) {
        line = comment[i]
        if (line ~ /^     /) {
            if (block != "example") {
                end_block()
                out(".PP")
                out(".EX")
                block = "example"
            }
            out(escape(substr(line, 2)))
            continue
        }
        sub(/^ +/, "", line)
        if (line == "") {
            end_block()
            block = "gap"
        } else if (line ~ /^- /) {
            end_block()
            out(".IP \\(bu 2")
            out(prose(substr(line, 3)))
            block = "text"
        } else if (i < comments && comment[i + 1] ~ /^ *- / && line !~ /[.:,;]$/) {
            end_block()
            out(".SS " escape(line))
            block = "text"
        } else {
            if (block == "gap" || block == "example" || block == "") {
                end_block()
                out(".PP")
            }
            out(prose(line))
            block = "text"
        }
    }
    end_block()
    comments = 0
}

function keep_comment(line) {
    sub(/ *\*\/ *$/, "", line)
    sub(/^ \*( |$)/, " ", line)
    comment[++comments] = line
}

# What was declared under the comment, then the comment.
function flush(i, line) {
    if (comments == 0 && declared == 0)
        return
    if (declared > 0) {
        out(".PP")
        out(".nf")
        for (i = 1; i <= declared; i++) {
            line = escape(declaration[i])
            out(declares_function && line != "" ? "\\fB" line "\\fP" : line)
        }
        out(".fi")
        if (comments > 0) {
            out(".RS 4")
            print_comment()
            out(".RE")
        }
    } else
        print_comment()
    declared = comments = declares_function = 0
}

function name_function(line) {
    if (line ~ /^[#\/ ]/ || line ~ /^typedef/ || !match(line, /llmt_[a-z_0-9]+\(/))
        return
    declares_function = 1
    names[++functions] = substr(line, RSTART, RLENGTH - 1)
}

function for_readers(line) {
    if (line !~ /^#define LLMT_/)
        return line ~ /^#define llmt_/ || line ~ /^#ifdef __cplusplus/ || line ~ /^namespace/
    line = substr(line, 9)
    sub(/[( ].*/, "", line)
    return line !~ /_$/
}

FNR == 1 {
    flush()
    header++
    first = 1
    depth = 0
}

# --- sections and comments
/^\/\* --- .* -+ \*\/$/ {
    flush()
    title = $0
    sub(/^\/\* --- /, "", title)
    sub(/ -+ \*\/$/, "", title)
    out(".SH " toupper(escape(title)))
    next
}

!in_comment && /^\/\*/ {
    flush()
    in_comment = 1
    comments = 0
    sub(/^\/\*/, "")
    keep_comment($0)
    if ($0 ~ /\*\/ *$/)
        in_comment = 0
    next
}

in_comment {
    ended = $0 ~ /\*\/ *$/
    keep_comment($0)
    if (!ended)
        next
    in_comment = 0
    if (first) {
        first = 0
        if (header == 1) {
            comment[1] = ""
            flush()
            out(".SH CONSTANTS AND ERRORS")
        } else
            comments = 0
    }
    next
}

# --- the second header: of the code only what macros take is shown
header > 1 {
    if (comments > 0) {
        if (for_readers($0))
            print_comment()
        comments = 0
    }
    if ($0 ~ /^#define llmt_/ && match($0, /llmt_[a-z_]+/))
        names[++functions] = substr($0, RSTART, RLENGTH)
    next
}

# --- declarations
/^#ifdef __cplusplus/ {
    skip = 1
}
skip || /^#(ifndef|endif|include|define LLM_TRACER_H)/ {
    if ($0 ~ /^#endif/)
        skip = 0
    next
}
/^$/ {
    flush()
    next
}
{
    name_function($0)
    declaration[++declared] = $0
}

END {
    flush()
    print ".\\\" Made from llm_tracer.h by man.awk: change that one."
    print ".TH LLM_TRACER 3 \"\" \"llm\\-tracer " version "\" \"Library Functions\""
    print ".ad l"
    print ".SH NAME"
    print ".nh"
    line = "llm_tracer"
    for (i = 1; i <= functions; i++) {
        if (length(line) + length(names[i]) > 90) {
            print line ","
            line = names[i]
        } else
            line = line ", " names[i]
        file = links "/" names[i] ".3"
        print ".so man3/llm_tracer.3" > file
        close(file)
    }
    print line " \\- traces and spans by hand"
    print ".SH SYNOPSIS"
    print ".nf"
    print "\\fB#include <llm_tracer.h>\\fP"
    print ""
    print "\\fBcc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs llm_tracer)\\fP"
    print ".fi"
    print ".SH DESCRIPTION"
    for (i = 1; i <= lines; i++)
        print body[i]
}
