/* problem.c - see problem.h. */
#include "daemon/problem.h"

#include <string.h>

const char *problem_title(int status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 416:
        return "Range Not Satisfiable";
    case 421:
        return "Misdirected Request";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    default:
        return status < 500 ? "Request Refused" : "Internal Server Error";
    }
}

void problem_answer(const struct problem *p, struct answer *a)
{
    int status = p->status ? p->status : err_http_status(p->err->kind);
    int retry = p->retry_after;
    cJSON *o = cJSON_CreateObject();

    json_put_str(o, "type", "about:blank");
    json_put_str(o, "title", problem_title(status));
    json_put_int(o, "status", status);
    json_put_str(o, "detail", p->err->msg);
    json_put_str(o, "error_kind", err_name(p->err->kind));
    if (p->err->hint[0])
        json_put_str(o, "hint", p->err->hint);
    if (p->limit_name) {
        cJSON *limit = cJSON_AddObjectToObject(o, "limit");
        json_put_str(limit, "name", p->limit_name);
        json_put_int(limit, "value", p->limit_value);
    }
    if (p->extra) {
        for (cJSON *item = p->extra->child, *next; item; item = next) {
            next = item->next;
            cJSON_DetachItemViaPointer(p->extra, item);
            AUTO(char_p) char *key = mem_strdup(item->string);
            cJSON_DeleteItemFromObjectCaseSensitive(o, key);
            cJSON_AddItemToObject(o, key, item);
        }
        cJSON_Delete(p->extra);
    }
    if (!retry && (status == 429 || status == 503))
        retry = 10;
    if (retry)
        answer_header(a, "Retry-After", "%d", retry);
    if (p->allow)
        answer_header(a, "Allow", "%s", p->allow);
    answer_json(a, status, "application/problem+json", o);
}
