# Reading sonoscope's tables in R. Base R only; needs R 4.1 or newer.
#
#   source(system("sonoscope rates --r-file", intern = TRUE))
#   rates <- sonoscope_rates("rates.csv", tz = "Europe/Berlin")

# A time as sonoscope writes it ("2025-06-01T08:00:00+02:00") as POSIXct. An empty one is NA.
sonoscope_time <- function(text, tz = "UTC") {
  text <- as.character(text)
  text[!nzchar(text)] <- NA
  # strptime reads an offset without its colon only.
  plain <- sub("([+-][0-9]{2}):([0-9]{2})$", "\\1\\2", sub("Z$", "+0000", text))
  as.POSIXct(plain, format = "%Y-%m-%dT%H:%M:%S%z", tz = tz)
}

.sonoscope_table <- function(file, text_columns) {
  # Labels and sites are text even if they look like numbers; "NA" is a name like any other.
  columns <- strsplit(readLines(file, n = 1, encoding = "UTF-8"), ",", fixed = TRUE)[[1]]
  classes <- ifelse(columns %in% text_columns, "character", NA)
  utils::read.csv(file, colClasses = classes, na.strings = "", encoding = "UTF-8", check.names = FALSE)
}

# A table of `sonoscope rates`: bin_start and bin_end become times.
sonoscope_rates <- function(file, tz = "UTC") {
  rates <- .sonoscope_table(file, c("bin_start", "bin_end", "site", "recorder", "label", "interval"))
  rates$bin_start <- sonoscope_time(ifelse(is.na(rates$bin_start), "", rates$bin_start), tz)
  rates$bin_end <- sonoscope_time(ifelse(is.na(rates$bin_end), "", rates$bin_end), tz)
  rates
}

# All events of a folder of results, with the time of day at which each begins where that is known.
sonoscope_events <- function(folder, tz = "UTC") {
  text <- c("file", "label", "model", "start_datetime", "site", "recorder", "flags")
  events <- .sonoscope_table(file.path(folder, "events.csv"), text)
  events$time <- sonoscope_time(ifelse(is.na(events$start_datetime), "", events$start_datetime), tz) + events$start
  events
}

# All inputs of a folder of results: the denominator is sum(files$analysed).
sonoscope_files <- function(folder, tz = "UTC") {
  text <- c("file", "status", "start_datetime", "site", "recorder", "note")
  files <- .sonoscope_table(file.path(folder, "files.csv"), text)
  files$start_time <- sonoscope_time(ifelse(is.na(files$start_datetime), "", files$start_datetime), tz)
  files
}

# Rates against the hour of the day: dots with 95 % intervals, a panel for each class and site.
sonoscope_plot_hours <- function(rates, corrected = any(!is.na(rates$corrected_share))) {
  rates <- rates[!is.na(rates$hour), ]
  if (!nrow(rates)) stop("no hours: make the table with --by site,class,hour-of-day")
  value <- if (corrected) 60 * rates$corrected_share else rates$events_per_hour
  low <- if (corrected) 60 * rates$corrected_low else rates$low
  high <- if (corrected) 60 * rates$corrected_high else rates$high
  panel <- paste(rates$label, ifelse(is.na(rates$site), "", rates$site))
  name <- if (corrected) "minutes per hour with the sound" else "events per hour"
  panels <- unique(panel)
  old <- graphics::par(mfrow = grDevices::n2mfrow(length(panels)), mar = c(4, 4, 2, 1))
  on.exit(graphics::par(old))
  for (each in panels) {
    mine <- panel == each
    graphics::plot(rates$hour[mine] + 0.5, value[mine], xlim = c(0, 24), ylim = c(0, max(high, na.rm = TRUE)),
                   xaxt = "n", pch = 19, xlab = "hour of the day", ylab = name, main = trimws(each))
    graphics::axis(1, at = seq(0, 24, 6))
    graphics::segments(rates$hour[mine] + 0.5, low[mine], rates$hour[mine] + 0.5, high[mine])
  }
  invisible(NULL)
}

# buzzr looks for files whose names end with _buzzdetect: copies of those that `analyze --format buzzdetect` wrote,
# below `to`, under the recording's name without its ending (site1/250704_0000.wav.buzzdetect.csv becomes
# site1/250704_0000_buzzdetect.csv). Returns the names of the copies.
sonoscope_for_buzzr <- function(folder, to) {
  files <- list.files(folder, pattern = "\\.buzzdetect\\.csv$", recursive = TRUE)
  if (!length(files)) stop("no tables of buzzdetect in ", folder, ": analyze --format buzzdetect writes them")
  copies <- sub("(\\.[^./]*)?\\.buzzdetect\\.csv$", "_buzzdetect.csv", files)
  if (anyDuplicated(copies)) stop("two recordings differ in their endings only: ", copies[duplicated(copies)][1])
  for (each in unique(dirname(file.path(to, copies)))) dir.create(each, recursive = TRUE, showWarnings = FALSE)
  stopifnot(file.copy(file.path(folder, files), file.path(to, copies), overwrite = TRUE))
  file.path(to, copies)
}
