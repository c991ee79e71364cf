#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

#include "server/api/documents/stats_document.hpp"

namespace watchkeeper::server {
namespace {

using nlohmann::ordered_json;
using row = std::vector<std::string>;

std::string shown(const ordered_json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    return text.empty() ? "-" : text;
  }
  return value.dump();
}

/// {"a":{"b":1}} as {"a.b", "1"}.
void flatten(const ordered_json& value, const std::string& name, std::vector<row>& out) {
  if (!value.is_object()) {
    out.push_back({name, shown(value)});
    return;
  }
  for (const auto& [member, inner] : value.items())
    flatten(inner, name.empty() ? member : name + '.' + member, out);
}

/// Columns as wide as their widest cell; numbers to the right.
void print_table(const std::vector<row>& rows, bool numbers_right, std::string& out) {
  std::vector<std::size_t> widths;
  for (const auto& cells : rows) {
    widths.resize(std::max(widths.size(), cells.size()));
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  for (const auto& cells : rows) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (numbers_right)
        fmt::format_to(std::back_inserter(line), "  {:>{}}", cells[i], widths[i]);
      else
        fmt::format_to(std::back_inserter(line), "  {:<{}}", cells[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
}

std::vector<row> table_of(const ordered_json& elements) {
  std::vector<row> rows;
  for (const auto& element : elements) {
    std::vector<row> members;
    flatten(element, "", members);
    if (rows.empty()) {
      rows.emplace_back();
      for (const auto& member : members) rows.back().push_back(member.front());
    }
    rows.emplace_back();
    for (const auto& member : members) rows.back().push_back(member.back());
  }
  return rows;
}

}  // namespace

std::string stats_text(std::string_view json) {
  const auto document = ordered_json::parse(json);
  std::string out;
  std::vector<row> plain;  // members that have no section of their own
  for (const auto& [name, value] : document.items())
    if (!value.is_structured()) plain.push_back({name, shown(value)});
  if (!plain.empty()) {
    out += "gateway\n";
    print_table(plain, false, out);
  }
  for (const auto& [name, value] : document.items()) {
    if (!value.is_structured() || value.empty()) continue;
    out += name + '\n';
    if (value.is_array()) {
      print_table(table_of(value), true, out);
    } else {
      std::vector<row> rows;
      flatten(value, "", rows);
      print_table(rows, false, out);
    }
  }
  return out;
}

}  // namespace watchkeeper::server
