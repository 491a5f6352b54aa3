{#- What DuckDB and GoogleSQL spell differently. Models use these and otherwise only SQL that both accept. -#}

{% macro epoch_us(timestamp) %}{{ return(adapter.dispatch('epoch_us')(timestamp)) }}{% endmacro %}
{% macro duckdb__epoch_us(timestamp) %}epoch_us({{ timestamp }}){% endmacro %}
{% macro bigquery__epoch_us(timestamp) %}unix_micros({{ timestamp }}){% endmacro %}

{% macro epoch_day(day) %}{{ return(adapter.dispatch('epoch_day')(day)) }}{% endmacro %}
{% macro duckdb__epoch_day(day) %}date_diff('day', date '1970-01-01', {{ day }}){% endmacro %}
{% macro bigquery__epoch_day(day) %}unix_date({{ day }}){% endmacro %}

{#- The DATE of a number of days since 1970-01-01; the inverse of epoch_day. -#}
{% macro day_of(number) %}{{ return(adapter.dispatch('day_of')(number)) }}{% endmacro %}
{% macro duckdb__day_of(number) %}(date '1970-01-01' + cast({{ number }} as integer)){% endmacro %}
{% macro bigquery__day_of(number) %}date_from_unix_date({{ number }}){% endmacro %}

{% macro days_after(day, days) %}{{ return(adapter.dispatch('days_after')(day, days)) }}{% endmacro %}
{% macro duckdb__days_after(day, days) %}({{ day }} + {{ days }}){% endmacro %}
{% macro bigquery__days_after(day, days) %}date_add({{ day }}, interval {{ days }} day){% endmacro %}

{#- 00:00 UTC of a DATE. DuckDB converts in the session's zone, which the profile sets to UTC. -#}
{% macro midnight(day) %}{{ return(adapter.dispatch('midnight')(day)) }}{% endmacro %}
{% macro duckdb__midnight(day) %}cast({{ day }} as timestamptz){% endmacro %}
{% macro bigquery__midnight(day) %}timestamp({{ day }}, 'UTC'){% endmacro %}

{#- The UTC DATE of a timestamp. -#}
{% macro utc_date(timestamp) %}{{ return(adapter.dispatch('utc_date')(timestamp)) }}{% endmacro %}
{% macro duckdb__utc_date(timestamp) %}cast({{ timestamp }} as date){% endmacro %}
{% macro bigquery__utc_date(timestamp) %}date({{ timestamp }}, 'UTC'){% endmacro %}

{#- The UTC hour of a timestamp, a timestamp. -#}
{% macro utc_hour(timestamp) %}{{ return(adapter.dispatch('utc_hour')(timestamp)) }}{% endmacro %}
{% macro duckdb__utc_hour(timestamp) %}date_trunc('hour', {{ timestamp }}){% endmacro %}
{% macro bigquery__utc_hour(timestamp) %}timestamp_trunc({{ timestamp }}, hour){% endmacro %}

{#- The Monday of a timestamp's UTC week, a DATE. -#}
{% macro utc_week(timestamp) %}{{ return(adapter.dispatch('utc_week')(timestamp)) }}{% endmacro %}
{% macro duckdb__utc_week(timestamp) %}cast(date_trunc('week', {{ timestamp }}) as date){% endmacro %}
{% macro bigquery__utc_week(timestamp) %}date_trunc(date({{ timestamp }}, 'UTC'), isoweek){% endmacro %}

{% macro hours_after(timestamp, hours) %}{{ return(adapter.dispatch('hours_after')(timestamp, hours)) }}{% endmacro %}
{% macro duckdb__hours_after(timestamp, hours) %}({{ timestamp }} + to_hours({{ hours }})){% endmacro %}
{% macro bigquery__hours_after(timestamp, hours) %}timestamp_add({{ timestamp }}, interval {{ hours }} hour){% endmacro %}

{#- A datetime of Jinja, in UTC, as a TIMESTAMP. -#}
{% macro timestamp_literal(moment) %}{{ return(adapter.dispatch('timestamp_literal')(moment)) }}{% endmacro %}
{% macro duckdb__timestamp_literal(moment) %}timestamptz '{{ moment }}+00'{% endmacro %}
{% macro bigquery__timestamp_literal(moment) %}timestamp '{{ moment }}+00'{% endmacro %}

{#-
A query of one column: every `hours`th hour from `first` to `last`. They are DATEs, or TIMESTAMPs when `hours` is 1; `bounds`
is a relation that has them as columns.
-#}
{% macro series(column, first, last, hours, bounds=none) %}{{ return(adapter.dispatch('series')(column, first, last, hours, bounds)) }}{% endmacro %}
{% macro duckdb__series(column, first, last, hours, bounds) %}select
        cast(unnest(generate_series({{ first }}, {{ last }}, to_hours({{ hours }}))) as {{ 'timestamptz' if hours == 1 else 'date' }}) as {{ column }}
    {{ 'from ' ~ bounds if bounds }}
{% endmacro %}
{% macro bigquery__series(column, first, last, hours, bounds) %}select {{ column }}
    from {{ bounds ~ ', ' if bounds }}unnest({% if hours == 1 -%}
        generate_timestamp_array({{ first }}, {{ last }}, interval 1 hour)
    {%- else -%}
        generate_date_array({{ first }}, {{ last }}, interval {{ hours // 24 }} day)
    {%- endif %}) as {{ column }}
{% endmacro %}

{% macro whole(value) %}cast({{ value }} as {{ dbt.type_bigint() }}){% endmacro %}

{% macro real(value) %}cast({{ value }} as {{ adapter.dispatch('real_type')() }}){% endmacro %}
{% macro duckdb__real_type() %}double{% endmacro %}
{% macro bigquery__real_type() %}float64{% endmacro %}

{#- A type that holds sums of squared micro-units exactly: 38 digits. -#}
{% macro wide_integer() %}{{ return(adapter.dispatch('wide_integer')()) }}{% endmacro %}
{% macro duckdb__wide_integer() %}hugeint{% endmacro %}
{% macro bigquery__wide_integer() %}bignumeric{% endmacro %}
