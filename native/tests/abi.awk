# Reads simcse.h and writes a C program that prints its binary layout: every constant, every struct with its size, every
# member with its declaration, offset and size. A member cannot be forgotten, since nothing is listed by hand.
{ text = text $0 "\n" }

END {
  while ((start = index(text, "/*")) > 0) {
    rest = substr(text, start + 2)
    text = substr(text, 1, start - 1) " " substr(rest, index(rest, "*/") + 2)
  }
  print "#include <stddef.h>\n#include <stdio.h>\n\n#include \"simcse.h\"\n\nint main(void) {"
  lines = split(text, line, "\n")
  for (i = 1; i <= lines; i++) {
    if (line[i] ~ /^#define SIMCSE_API_VERSION/) constant("SIMCSE_API_VERSION")
    if (line[i] ~ /^ *SIMCSE_[A-Z0-9_]+ *=/) {
      match(line[i], /SIMCSE_[A-Z0-9_]+/)
      constant(substr(line[i], RSTART, RLENGTH))
    }
    if (line[i] ~ /^typedef .*;/ && line[i] !~ /struct/) print "  puts(\"" squeezed(line[i]) "\");"
    if (line[i] ~ /^typedef struct [a-z_]+ \{/) {
      split(line[i], word, " ")
      name = word[3]
      printf "  printf(\"%s: %%zu bytes\\n\", sizeof(%s));\n", name, name
      declaration = ""
    } else if (line[i] ~ /^\} [a-z_]+;/) {
      name = ""
    } else if (name != "") {
      declaration = declaration " " line[i]
      if (declaration ~ /;[ \t]*$/) {
        member(squeezed(declaration))
        declaration = ""
      }
    } else if (line[i] ~ /simcse_get_api\(/) {
      print "  puts(\"" squeezed(line[i]) "\");"
    }
  }
  print "  return 0;\n}"
}

function squeezed(declaration) {
  gsub(/[ \t]+/, " ", declaration)
  sub(/^ /, "", declaration)
  sub(/ $/, "", declaration)
  return declaration
}

function constant(name) {
  printf "  printf(\"%s = %%d\\n\", (int)%s);\n", name, name
}

function member(declaration, field) {
  if (match(declaration, /\(\*[a-z_0-9]+\)/)) {
    field = substr(declaration, RSTART + 2, RLENGTH - 3)
  } else {
    field = declaration
    sub(/(\[[0-9]+\])?;$/, "", field)
    sub(/^.*[ *]/, "", field)
  }
  printf "  printf(\"%s: offset %%zu, %%zu bytes: %s\\n\", offsetof(%s, %s), sizeof(((%s *)0)->%s));\n", \
    name, declaration, name, field, name, field
}
